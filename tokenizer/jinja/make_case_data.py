"""Prints case_data.inc: Python's own case mappings of single characters, as ranges and exceptions."""
import sys


def ranges(mapping):
    """[(first, last, stride, delta)] of a {code point: code point} mapping, in order."""
    out = []
    for code, target in sorted(mapping.items()):
        delta = target - code
        if out and out[-1][3] == delta:
            first, last, stride, _ = out[-1]
            step = code - last
            if first == last and step in (1, 2):
                out[-1] = (first, code, step, delta)
                continue
            if first != last and step == stride:
                out[-1] = (first, code, stride, delta)
                continue
        out.append((code, code, 1, delta))
    return out


def print_ranges(name, mapping):
    print(f"constexpr CaseRange {name}[] = {{")
    for first, last, stride, delta in ranges(mapping):
        print(f"    {{{first:#x}, {last:#x}, {stride}, {delta}}},")
    print("};\n")


def print_expansions(name, mapping):
    print(f"constexpr CaseExpansion {name}[] = {{")
    for code, text in sorted(mapping.items()):
        escaped = "".join(f"\\x{byte:02X}" for byte in text.encode())
        print(f'    {{{code:#x}, "{escaped}"}},')
    print("};\n")


def main():
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    print("// Made by make_case_data.py from the Unicode data of Python"
          f" {sys.version_info.major}.{sys.version_info.minor}.\n// clang-format off\n")
    print_ranges("kLowerRanges", {ord(c): ord(c.lower()) for c in characters
                                  if len(c.lower()) == 1 and c.lower() != c})
    print_ranges("kUpperRanges", {ord(c): ord(c.upper()) for c in characters
                                  if len(c.upper()) == 1 and c.upper() != c})
    print_expansions("kUpperExpansions", {ord(c): c.upper() for c in characters
                                          if len(c.upper()) > 1})
    # str.capitalize() of one character is its title case.
    print_expansions("kTitleExceptions", {ord(c): c.title() for c in characters
                                          if c.title() != c.upper()})
    print("// clang-format on")


main()
