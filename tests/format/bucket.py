# SPDX-License-Identifier: Apache-2.0
"""The bucket as files, docs/format.md §6: a `dir:` store, or a copy that an S3 client made."""
import os
import re


class Bucket:
    def __init__(self, folder):
        self.folder = folder

    def file(self, key):
        """The file of a key; a bucket that was copied may have no file for a folder's marker."""
        parts = [re.sub(r"^\.pishop=", ".pishop==", part) for part in key.split("/")]
        if not parts[-1]:
            parts[-1] = ".pishop=folder"
        return os.path.join(self.folder, *parts)

    def keys(self, folder):
        """What of the keys follows after "folder/"."""
        top = self.file(folder)
        for where, _, files in os.walk(top):
            for name in files:
                if name.startswith(".pishop=") and name != ".pishop=folder" and name[8] != "=":
                    continue
                below = os.path.relpath(os.path.join(where, name), top).split("/")
                below[-1] = "" if below[-1] == ".pishop=folder" else below[-1]
                yield "/".join(part.replace(".pishop==", ".pishop=", 1) if part.startswith(".pishop==") else part for part in below)
