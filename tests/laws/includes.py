#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Law: a room includes only the rooms below it, a library only shows where it is at home, and no two headers need each other."""
import re

from tree import ROOMS, root, sources, verdict

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# library header -> where it may appear
LIBRARIES = [
    (re.compile(r"^(fuse3?/|fuse(_\w+)?\.h$)"), lambda path: path.startswith("fs/"), 2),
    (re.compile(r"^curl/"), lambda path: path == "s3/http.c", 1),
    (re.compile(r"^openssl/"), lambda path: path.startswith("crypto/") or path in ("s3/sign.c", "s3/store.c"), None),
]


def check(top):
    graph, users = {}, {}
    for room, path in sources(top, ".c", ".h"):
        name = str(path.relative_to(top))
        for bracket, target in INCLUDE.findall(path.read_text(errors="replace")):
            owner = target.split("/")[0] if "/" in target else None
            if owner in ROOMS:
                graph.setdefault(name, []).append(target)
                if owner != room and owner not in ROOMS[room]:
                    yield f"{name}: includes {target}, but {room}/ may only include {', '.join(ROOMS[room]) or 'nothing of ours'}"
            elif bracket == '"':
                yield f'{name}: includes "{target}": write the path from the top of the tree, as in "{room}/{target}"'
            for index, (pattern, home, _) in enumerate(LIBRARIES):
                if pattern.match(target):
                    users.setdefault(index, set()).add(name)
                    if not home(name):
                        yield f"{name}: includes <{target}>, which is not at home there"
    for index, names in users.items():
        most = LIBRARIES[index][2]
        if most is not None and len(names) > most:
            yield f"{LIBRARIES[index][0].pattern}: included in {len(names)} files, at most {most} allowed: {', '.join(sorted(names))}"
    yield from circles(graph)


def circles(graph):
    """Every header that reaches itself."""
    for start in sorted(graph):
        seen, todo = set(), list(graph[start])
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += graph.get(name, [])
        if start in seen:
            yield f"{start}: includes itself through others"


if __name__ == "__main__":
    verdict(list(check(root())))
