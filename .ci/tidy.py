#!/usr/bin/env python3
"""Runs clang-tidy on the C++ sources of the repository that have changed since they last passed.

Usage: .ci/tidy.py BUILD   (a folder with compile_commands.json)

A source has not changed where what the compiler sees of it after preprocessing (headers, comments and
line numbers included) has not, nor a .clang-tidy above it, nor clang-tidy. What passed is remembered under
${XDG_CACHE_HOME:-~/.cache}/eet-clang-tidy, by hash; a cold cache means a full run.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "eet-clang-tidy"


def output_of(command, **options):
    return subprocess.run(command, capture_output=True, check=False, **options)


def sources(root):
    listed = output_of(["git", "ls-files", "--", "*.cpp"], cwd=root).stdout.decode().split()
    return {str(root / name) for name in listed if not name.startswith("kernels/")}


def preprocess_command(entry):
    """The entry's compile command, without ccache, as one that prints the preprocessed source."""
    words = shlex.split(entry["command"])
    while "ccache" in words[0]:
        words.pop(0)
    kept = []
    skip_next = False
    for word in words:
        if skip_next or word in ("-c", "-MD"):
            skip_next = False
        elif word in ("-o", "-MT", "-MF"):
            skip_next = True
        else:
            kept.append(word)
    return [*kept, "-E", "-C"]


class Tidy:
    def __init__(self, build, root):
        self.build = build
        self.root = root
        self.version = output_of(["clang-tidy", "--version"]).stdout

    def configuration(self, source):
        """The bytes of every .clang-tidy that speaks for the source."""
        folders = [folder for folder in source.parents if folder.is_relative_to(self.root)]
        found = [folder / ".clang-tidy" for folder in reversed(folders)]
        return b"".join(file.read_bytes() for file in found if file.exists())

    def key(self, entry):
        seen = output_of(preprocess_command(entry), cwd=entry["directory"])
        if seen.returncode != 0:
            return None
        # Another clone has the same sources elsewhere.
        text = seen.stdout.replace(str(self.root).encode(), b"")
        salt = self.version + self.configuration(pathlib.Path(entry["file"]))
        return hashlib.sha256(salt + text).hexdigest()

    def check(self, entry):
        """What clang-tidy complains of; empty where all is well."""
        key = self.key(entry)
        if key is not None and (CACHE / key).exists():
            return ""
        command = ["clang-tidy", "-quiet", "-p", str(self.build),
                   "-extra-arg=-Wno-unknown-warning-option", entry["file"]]
        run = output_of(command)
        if run.returncode != 0:
            return run.stdout.decode() + run.stderr.decode()
        if key is not None:
            (CACHE / key).touch()
        return ""


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    root = pathlib.Path(__file__).resolve().parent.parent
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted = sources(root)
    entries = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if entry["file"] in wanted:
            entries.setdefault(entry["file"], entry)
    tidy = Tidy(build, root)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = [text for text in pool.map(tidy.check, entries.values()) if text]
    for text in complaints:
        print(text)
    print(f"clang-tidy: {len(entries)} sources, {len(complaints)} with complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
