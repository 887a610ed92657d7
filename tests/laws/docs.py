#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Law: the documents keep up with the tree. docs/design.md names every source file of the rooms; each link inside the repository leads somewhere;
and, where the program is given as second argument, README's table of settings is what it prints."""
import re
import subprocess
import sys

from tree import ROOMS, root, tracked, verdict

BEGIN, END = re.compile(r"^<!-- configuration: begin.*-->\n", re.M), "<!-- configuration: end -->"
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
FENCED = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.M | re.S)
INDENTED = re.compile(r"^(?: {4}|\t).*$", re.M)
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.S)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.M)


def listed_files(text):
    """room -> names in the list of files under the headings **room/**."""
    rooms, room = {}, None
    for line in text.splitlines():
        heading = re.fullmatch(r"\*\*(\w+)/\*\*", line)
        if heading:
            room = heading[1]
        elif line.startswith("#"):
            room = None
        item = re.match(r"- `([^`]+)`: \S", line)
        if room and item:
            rooms.setdefault(room, []).extend(item[1].split(", "))
    return rooms


def files_named(top):
    """The list of files at the end of docs/design.md, against the tree."""
    design = top / "docs/design.md"
    listed = listed_files(design.read_text()) if design.is_file() else {}
    there = {}
    for path in tracked(top):
        name = path.relative_to(top)
        if len(name.parts) == 2 and name.parts[0] in ROOMS and path.suffix in (".c", ".h"):
            there.setdefault(name.parts[0], []).append(name.parts[1])
    for room in sorted({*there, *listed}):
        have, said = there.get(room, []), listed.get(room, [])
        for name in sorted({*have} - {*said}):
            yield f"docs/design.md: does not name {room}/{name}"
        for name in sorted({*said} - {*have}):
            yield f"docs/design.md: names {room}/{name}, which is not there"
        for name in sorted(name for name in {*said} if said.count(name) > 1):
            yield f"docs/design.md: names {room}/{name} more than once"


def prose(text):
    """The text without its code: there, brackets are no links and # is no heading."""
    return INDENTED.sub("", FENCED.sub("", text))


def anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    found, used = set(), {}
    for heading in HEADING.findall(prose(text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = used.get(slug, 0)
        used[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found


def links_lead_somewhere(top):
    for path in tracked(top):
        if path.suffix != ".md":
            continue
        name = path.relative_to(top)
        for target in LINK.findall(CODE.sub("", prose(path.read_text()))):
            if re.match(r"[a-z][a-z0-9+.-]*:", target, re.I):
                continue
            file, _, anchor = target.partition("#")
            page = (path.parent / file).resolve() if file else path
            if not page.exists():
                yield f"{name}: links to {target}, which is not there"
            elif anchor and (page.suffix != ".md" or anchor not in anchors(page.read_text())):
                yield f"{name}: links to {target}, but {page.name} has no such heading"


def table_is_current(top, program):
    printed = subprocess.run([program, "--help-markdown"], check=True, stdout=subprocess.PIPE, text=True).stdout
    text = (top / "README.md").read_text()
    begin = BEGIN.search(text)
    if not begin or END not in text[begin.end():]:
        yield "README.md: the table of settings has lost its markers"
    elif text[begin.end():text.index(END, begin.end())] != printed:
        yield "README.md: the table of settings is not what --help-markdown prints"


def check(top):
    yield from files_named(top)
    yield from links_lead_somewhere(top)
    if len(sys.argv) > 2:
        yield from table_is_current(top, sys.argv[2])


if __name__ == "__main__":
    verdict(list(check(root())))
