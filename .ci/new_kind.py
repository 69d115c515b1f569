#!/usr/bin/env python3
"""Checks docs/new-kind.md: applies its blocks to a copy of the repository, then builds and tests the new kind there.

    .ci/new_kind.py            apply, build, test
    .ci/new_kind.py --list     print the files that the guide adds, and the lines that it changes in shared files

A code block whose info string ends in `file=PATH` is that file. A block in the language `diff` changes a shared file: the
lines of a hunk must occur in the file exactly once. The copy is target/new-kind; its build shares the target folder, so
that no dependency is built twice.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUIDE = "docs/new-kind.md"
COPY = ROOT / "target" / "new-kind"
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The guide's promise: a kind is its own folders and one line in each of two lists.
SHARED_LINES_MAX = 2
# A command that hangs must not hang the build. On two cores with the dependencies built, all take less than 4 minutes.
SECONDS_MAX = 1200
# All in one selection of crates: each selection has features of its own, for which dependencies would be built again. The
# server's own tests prove that the rest of the program builds, where the kind has no line.
CRATES = ["-p", "engine", "-p", "gateway", "-p", "server"]
TESTS = ["consent", "golden", "kinds", "document", "topic", "rejection", "doctor"]
COMMANDS = [
    (["cargo", "test", "-q", *CRATES, "--test", "golden"], {"FUSION_WRITE_GOLDEN": "1"}),
    (["cargo", "test", "-q", *CRATES, "--lib", "--bins", "--test", "golden", "--", *TESTS], {}),
]


def read_guide():
    """Returns the files that the guide adds, and the hunks of shared files: (path, lines before, lines after)."""
    files, hunks = {}, []
    for language, path, body in BLOCK.findall((ROOT / GUIDE).read_text()):
        if path:
            files[path] = body
        elif language == "diff":
            path = re.search(r"^\+\+\+ b/(\S+)$", body, re.MULTILINE).group(1)
            for hunk in re.split(r"^@@.*\n", body, flags=re.MULTILINE)[1:]:
                lines = hunk.splitlines(keepends=True)
                before = "".join(line[1:] for line in lines if line[0] in " -")
                after = "".join(line[1:] for line in lines if line[0] in " +")
                hunks.append((path, before, after, sum(line[0] in "+-" for line in lines)))
    return files, hunks


def copy_tracked():
    """Makes the copy equal to the tracked files. Keeps the times of unchanged files, so that they are not built again."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    tracked = {name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()}
    for old in COPY.rglob("*"):
        if old.is_file() and str(old.relative_to(COPY)) not in tracked:
            old.unlink()
    for name in tracked:
        target = COPY / name
        if not target.exists() or target.read_bytes() != (ROOT / name).read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)


def apply(files, hunks):
    for path, body in files.items():
        if (COPY / path).exists():
            sys.exit(f"{GUIDE} adds {path}, which exists already")
        (COPY / path).parent.mkdir(parents=True, exist_ok=True)
        (COPY / path).write_text(body)
    for path, before, after, _ in hunks:
        text = (COPY / path).read_text()
        if text.count(before) != 1:
            sys.exit(f"{GUIDE} changes {path}, which has these lines {text.count(before)} times:\n{before}")
        (COPY / path).write_text(text.replace(before, after))


def check_form(files):
    """The files of the guide are formatted, and use the words of the project."""
    rust = [path for path in files if path.endswith(".rs")]
    subprocess.run(["rustfmt", "--edition", "2024", "--check", *rust], cwd=COPY, check=True)


def main():
    files, hunks = read_guide()
    shared = sum(count for *_, count in hunks)
    if sys.argv[1:] == ["--list"]:
        print(*files, *(f"{path}: {count} line" for path, _, _, count in hunks), sep="\n")
        return
    if shared > SHARED_LINES_MAX:
        sys.exit(f"{GUIDE} changes {shared} lines of shared files; the promise is {SHARED_LINES_MAX}")
    started = time.monotonic()
    copy_tracked()
    apply(files, hunks)
    check_form(files)
    for command, variables in COMMANDS:
        print("+", *command, flush=True)
        environment = {**os.environ, "CARGO_TARGET_DIR": str(ROOT / "target"), **variables}
        left = SECONDS_MAX - (time.monotonic() - started)
        subprocess.run(command, cwd=COPY, check=True, env=environment, timeout=max(left, 1))
    seconds = time.monotonic() - started
    print(f"the kind of {GUIDE}: {len(files)} files of its own, {shared} shared lines, built and tested in {seconds:.0f} s")


if __name__ == "__main__":
    main()
