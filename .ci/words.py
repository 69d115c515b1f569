#!/usr/bin/env python3
"""Checks the wording of code, comments, documentation and texts: prints each phrase that the project does not use.

    .ci/words.py              checks the files that git tracks; exits with 1 if it finds a phrase
    .ci/words.py FILE …       checks these files
    .ci/words.py --self-test  checks the list itself: each rule finds its sample, and correct texts pass

A rule is a pattern, the replacement, and a sample that the pattern must find. Add a rule when a review finds a phrase
that a reader has to read twice. A line that is correct although a rule matches it belongs in ALLOWED.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENDINGS = (".rs", ".ts", ".tsx", ".mjs", ".js", ".py", ".sh", ".md", ".proto", ".toml", ".css", ".html")
# Generated files and records of past runs; this file and its samples; migrations, whose checksums databases contain.
EXCLUDED = ("web/sdk/src/schema.ts", "bench/RESULTS.md", ".ci/words.py", "migrations/", "web/app/dist/")

# pattern, replacement, a sample that the pattern finds
RULES = [
    # Riddles by pronoun and inversions
    (r"\bwho(?:ever)? (?:asks|listens|looks|wants|begins|gives up)\b", "the client, the caller, the subscriber", "it is sent to who asks"),
    (r"\b(?:is|are|was|were|be|been|being) told\b", "receives, is notified, is reported", "the buyer is told the price"),
    (r"\btells? (?:it|them|those|everyone|whoever)\b", "notifies, reports", "the hub tells those that are subscribed"),
    (r"\bnobody heard\b|\b(?:hears|hear) (?:of|more|no|what|when|it)\b", "receives, is notified", "a client hears of the change"),
    (r"\bto be had\b", "available", "no port is to be had"),
    (r"\b(?:of|is) ours\b|\bnot ours\b", "of this server, of this program", "not a token of ours"),
    (r"\bof (?:his|its|their) own accord\b", "automatically", "it stops of its own accord"),
    (r"\bby (?:itself|themselves)\b(?=[.\"'])", "automatically", 'the list updates by itself.'),
    # User-visible texts
    (r"\bstands? (?:twice|in place of)\b", "is duplicated, instead of, cannot be combined with", "the sku stands twice"),
    (r"\blies? (?:in the (?:past|future)|from \S+ to|between)\b", "must be in the future, must be between", "ends_at lies in the past"),
    (r"(?i)\btoo much is waiting\b", "Too many requests are waiting", "Too much is waiting"),
    (r"\bis named twice\b|\bnames? \w+(?: \w+)? (?:twice|more than once)\b", "is duplicated", "a line is named twice"),
    (r"\bnot good(?: any more)?\b|\bno longer good\b|\bgood for (?:a|an|\d+)\b", "not valid, no longer valid, valid for", "the token is not good"),
    (r"\bmore than (?:nothing|can be counted|is counted)\b", "greater than zero, exceeds the maximum", "must be more than nothing"),
    (r"\bmeans? of payment\b", "payment method", "another means of payment"),
    (r"\bcall(?:s|ed)? (?:it |the \w+ |an order )?off\b", "cancel", "the order is called off"),
    (r"\btak(?:e|es|en|ing) (?:it |a file |the file |a catalogue )?in\b(?= |\.|,|:|;|$)(?! (?:one|order|turn|the|a|this|place|account))", "import, apply", "the file is taken in"),
    (r"\bbr(?:oke|eaks|oken) off\b", "failed, was interrupted, is incomplete", "the body broke off"),
    (r"\bthere is no such (?:thing|tenant|field|parameter)\b", "not found, does not exist, is not a known …", "there is no such field"),
    (r"\bas far as it told\b|\bas things stand\b", "if known, currently", "the reason, as far as it told"),
    (r"\bhas from \d+ to \d+\b", "must have between … and …", "has from 1 to 100 items"),
    # Metaphors
    (r"\bthe house\b", "the server, App", "the house, put together"),
    (r"\b(?:live|local|both) doors?\b|\b(?:the|our) doors\b", "real-time API, admin socket, API", "the live doors are open"),
    (r"\bpost office\b", "mailer", "the post office"),
    (r"\bletters? (?:(?:is|are|was|were) (?:sent|handed|delivered|written)|goes|go|handed|given)\b|\ba letter to\b", "e-mail", "the letter is handed over"),
    (r"\bworld outside\b|\boutside world\b", "external services", "effects on the world outside"),
    (r"\bwak(?:e|es) up\b(?! (?:call|time))", "becomes active, activates, resumes", "the button wakes up"),
    (r"\bwitness(?:es)? (?:of|that|says)\b", "durable watermark", "the witness of the accepted position"),
    # Terms of the glossary
    (r"\bput aside\b", "quarantined", "the entity is put aside"),
    (r"\bparked (?:entity|entities)\b|\b(?:is|are|was|were) parked\b", "quarantined", "the entity is parked"),
    (r"\bgives? (?:it )?up\b|\bgiven up\b", "fails, expires, releases, abandons", "the mail is given up"),
    (r"\bhand(?:s|ed|ing)? over\b", "deliver, transfer", "the mail was handed over"),
    (r"\banew\b", "again, re-…", "it is read anew"),
    (r"\b(?:some|any|every)body\b", "a client, a buyer, another user", "somebody else"),
    (r"\boneself\b|\bone's own\b|\bwho one is\b", "the caller's", "one's own carts"),
    (r"\b(?:Ear|Door)\b", "a name from the field: frame, event, request, handler, lock", "struct Door {"),
    (r"\b(?:is|was)_told\b|\bfn (?:hear|tell|heard)\b", "receive, notify, publish", "fn hear(&self)"),
]

# Lines that a rule matches although they are correct: (end of the path, text of the line).
ALLOWED = [
]

PASSES = [
    "A dead letter queue keeps what could not be delivered.",
    "The server stands by as a follower.",
    "The position lies beyond the end of the log.",
    "lower-case letters, digits, '-' and '_'",
    "a variant that was sold out is available again",
]


def compiled():
    return [(re.compile(pattern), replacement) for pattern, replacement, _ in RULES]


def find(text, rules):
    """Yields the phrases of a line with their replacements."""
    for pattern, replacement in rules:
        if found := pattern.search(text):
            yield found.group(0).strip(), replacement


def is_allowed(path, line):
    return any(path.endswith(end) and text in line for end, text in ALLOWED)


def check(paths):
    rules, count = compiled(), 0
    for path in paths:
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
            for phrase, replacement in find(line, rules):
                if not is_allowed(path, line):
                    print(f"{path}:{number}: “{phrase}” → {replacement}")
                    count += 1
    return count


def tracked():
    """Returns the tracked files to check. A deleted file that is still tracked is skipped."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [path for path in listed if path.endswith(ENDINGS) and not path.startswith(EXCLUDED) and (ROOT / path).is_file()]


def self_test():
    rules = compiled()
    missed = [pattern for pattern, _, sample in RULES if not re.search(pattern, sample)]
    wrong = [text for text in PASSES if list(find(text, rules))]
    unused = [text for end, text in ALLOWED if not any(text in (ROOT / path).read_text() for path in tracked() if path.endswith(end))]
    for fault in missed + wrong + unused:
        print(f"self-test: {fault}")
    return len(missed) + len(wrong) + len(unused)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        sys.exit(1 if self_test() else 0)
    found = check(arguments or tracked())
    if found:
        print(f"{found} phrases; see the rules in .ci/words.py")
    sys.exit(1 if found else 0)
