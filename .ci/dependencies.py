#!/usr/bin/env python3
"""Checks the dependencies of every crate: each is used, and each keeps the rules of deny.toml.

A dependency is used if the sources that may use it name its crate. Licences, banned crates, crates of which only one
version may be built, and registries are those of deny.toml, which cargo-deny also reads; this check needs no
installation. It covers what is built for this machine with all features.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_SOURCES = {"target", "node_modules"}
ONLY_TESTS = {"tests", "benches", "examples"}


def manifest(folder):
    return tomllib.loads((ROOT / folder / "Cargo.toml").read_text())


def sources(folder, section):
    """Returns the text of the files that may use a dependency of the section, without their comments."""
    texts = []
    for file in sorted((ROOT / folder).rglob("*.rs")):
        parts = file.relative_to(ROOT / folder).parts
        is_build_script = parts == ("build.rs",)
        if NOT_SOURCES & set(parts) or is_build_script != (section == "build-dependencies"):
            continue
        if section == "dependencies" and parts[0] in ONLY_TESTS:
            continue
        texts.append(re.sub(r"(?m)//.*$", "", file.read_text()))
    return "\n".join(texts)


def is_used(dependency, text):
    name = re.escape(dependency.replace("-", "_"))
    return re.search(rf"(?<!\w)(?<!\w::){name}\s*(::|!)|\b(use|crate)\s+(::)?{name}\b", text) is not None


def check_use(faults):
    shared = manifest(".")["workspace"]
    declared = set()
    for folder in [*shared["members"], "fuzz"]:
        crate = manifest(folder)
        for section in ("dependencies", "dev-dependencies", "build-dependencies"):
            dependencies = crate.get(section, {})
            if not dependencies:
                continue
            declared |= dependencies.keys()
            text = sources(folder, section)
            for dependency, options in dependencies.items():
                if not is_used(dependency, text):
                    faults.append(f"{folder}/Cargo.toml: {dependency} in [{section}] is not used")
                repeated = section == "dev-dependencies" and dependency in crate.get("dependencies", {})
                if repeated and "features" not in options:
                    faults.append(f"{folder}/Cargo.toml: {dependency} in [{section}] is in [dependencies] too")
    for dependency in shared["dependencies"].keys() - declared:
        faults.append(f"Cargo.toml: no crate uses {dependency} of [workspace.dependencies]")


def is_allowed(licence, allowed):
    """Evaluates an SPDX expression; `/` is the old form of OR."""
    tokens = re.findall(r"[()]|[^\s()]+", licence.replace("/", " OR "))

    def alternatives():
        result = terms()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            result = terms() or result
        return result

    def terms():
        result = term()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            result = term() and result
        return result

    def term():
        token = tokens.pop(0)
        if token == "(":
            result = alternatives()
            tokens.pop(0)
            return result
        if tokens and tokens[0] == "WITH":
            token = " ".join([token, tokens.pop(0), tokens.pop(0)])
        return token.removesuffix("+") in allowed

    return alternatives()


def built():
    """Yields the name, version, source and licence of every package that a build for this machine compiles.

    `cargo metadata` also has optional dependencies that no feature enables, such as ring.
    """
    command = ["cargo", "tree", "--workspace", "--all-features", "--edges=normal,build,dev", "--prefix=none", "--locked"]
    output = subprocess.run([*command, "--format={p}\t{l}\t"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if output.returncode != 0:
        sys.exit("cargo tree failed, so the dependencies are not checked")
    # A blank line separates two members; after the second tab is a mark of repeated packages.
    for package, licence in sorted({tuple(line.split("\t")[:2]) for line in output.stdout.splitlines() if line}):
        name, version, *notes = package.replace("(proc-macro)", "").split()
        yield name, version, " ".join(notes).strip("()"), licence


def check_rules(faults):
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    allowed = set(rules["licenses"]["allow"])
    versions = {}
    for name, version, source, licence in built():
        versions.setdefault(name, []).append(version)
        if not is_allowed(licence or "none", allowed):
            faults.append(f"{name} {version}: its licence, {licence or 'none'}, is not allowed by deny.toml")
        if source and not source.startswith(str(ROOT)):
            faults.append(f"{name} {version}: comes from {source}, not from crates.io")
    for ban in rules["bans"]["deny"]:
        found = versions.get(ban["crate"], [])
        if ban.get("deny-multiple-versions"):
            if len(found) > 1:
                faults.append(f"{ban['crate']}: only one version may be built, not {', '.join(found)}")
        elif found:
            faults.append(f"{ban['crate']}: is banned by deny.toml")


def main():
    faults = []
    check_use(faults)
    check_rules(faults)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
