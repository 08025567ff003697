"""Writes jinja_goldens.json: small templates with what Jinja2 makes of them, set up as transformers does.

    python make_jinja_goldens.py    # needs transformers and jinja2

[template, text] each; null stands for an error. All see the same variables.
"""
import json
import pathlib

from transformers.utils.chat_template_utils import _compile_jinja_template

VARIABLES = {
    "s": "hello", "u": "Grüße, 東京 🎉", "e": "", "w": " \t\n x y \u2003\n", "q": "it's \"q\" \\ \n",
    "n": 7, "m": -3, "f": 2.5, "big": 1e16, "small": 1e-5, "t": True, "no": False, "nil": None,
    "l": [3, 1, 2], "words": ["b", "A", "c", "a"], "empty": [],
    "d": {"b": 1, "a": {"x": [1, {"y": "z"}]}, "items": "shadowed"}, "nothing": {},
    "people": [{"name": "Zoe", "age": 30, "tags": ["x"]}, {"name": "adam", "age": 25},
               {"name": "Bob", "age": 30, "boss": None}],
}

EXPRESSIONS = r"""
1 | 1.0 | -1 | +1 | - 1 | 007 | 1e3 | 1.5e-7 | 'a' 'b' | "a\nb" | 'it\'s' | 'x\x41\u00e9\t\\\q' | true | True | none | None
[] | [1, 'a', none, 2.0, true] | [1,] | () | (1,) | (1, 2) | 1, 2 | {} | {'a': 1, 'b': [1]} | {'a': 1, 'a': 2}
n + 1 | n - 10 | n * 2 | n / 2 | 6 / 2 | n // 2 | m // 2 | n % 4 | m % 4 | n % -4 | m % -4 | 2 ** 10 | 2 ** -1 | 2 ** 3 ** 2 | -2 ** 2
f + 1 | f * 2 | f // 1 | -f // 1 | f % 1 | -f % 2 | 0.1 + 0.2 | 1 / 3 | 1e15 + 0.5 | big | small | 1e22 | 123456789.123 | 1.0 | -0.0
7 // 2.0 | -7 // 2.0 | 7.5 % -2 | 0.0 * -1 | 1 / 0 | 1 // 0 | 1 % 0 | 1.0 / 0 | 10 ** 18 | 100000000.0 | 1e100 | 5e-324
t + 1 | t * 2 | t + t | -t | not t | not 0 | not '' | not [] | not nil | not missing | 1 == 1.0 | t == 1 | no == 0 | 'a' == 'a' | nil == none
'a' < 'b' | 1 < 2 < 3 | 1 < 3 < 2 | [1, 2] < [1, 3] | (1,) < (1, 0) | 'a' < 1 | none < 1 | 1 <= 1 | 2 >= 3 | 'Z' < 'a' | 'é' > 'z' | n != 7
s + ' x' | s ~ 1 ~ none ~ true ~ 2.0 ~ [1] | s + 1 | 1 ~ 2 + 3 | 'a' * 3 | 3 * 'a' | 'a' * -1 | [1] * 2 | [1] + [2] | (1,) + (2,) | [1] + (2,) | 'a' * 1.0
missing | missing.x | missing['x'] | missing ~ 'x' | missing + 'x' | 'x' + missing | missing == missing | missing == none | missing|length | missing|list | missing()
'ell' in s | 'x' in s | 'x' not in s | 1 in l | 9 not in l | 'a' in d | 'z' in d | 1 in d | 1 in 'a1' | 'a' in missing | 'a' in none | [1] in [[1]] | '' in '' | missing in l
s[0] | s[-1] | s[9] | u[7] | u[-1] | l[0] | l[-1] | l[3] | l['x'] | d['b'] | d['zz'] | d.b | d.zz | d.a.x[1].y | d['a']['x'][0] | d.zz.y | l.0 | d.a.x.1.y | none.x | none['x'] | n.x
s[1:3] | s[:2] | s[2:] | s[::-1] | s[::2] | s[-2:] | s[:-1] | s[4:1:-1] | s[9:] | u[7:9] | u[::-1] | l[::-1] | l[1:] | l[:-1] | l[-9:9] | (1,2,3)[1:] | s[::0] | d[1:] | n[1:] | l['a':] | l[::2] | l[5:0:-2]
s.upper() | u.upper() | u.lower() | 'ß'.upper() | 'ÀÉÎ'.lower() | 'ŉ'.upper() | s.capitalize() | 'éA'.capitalize() | 'ßa'.capitalize() | 'ǆx'.capitalize() | 'hello wORLD it\'s 3d'.title() | s.title()
w.strip() | w.lstrip() | w.rstrip() | s.strip('ho') | s.lstrip('h') | s.rstrip('ol') | u.strip('G🎉') | s.strip('') | s.strip(none) | s.strip(1) | '\u3000x\u00a0'.strip() | '\x1cx\x1f'.strip()
'a,b,,c'.split(',') | ' a  b '.split() | ' a  b c '.split(none, 1) | 'a,b,c'.split(',', 1) | 'a,b,c'.split(',', maxsplit=1) | 'a,b,c'.rsplit(',', 1) | 'abc'.split('') | ''.split() | ''.split(',') | 'a<x>b<x>c'.split('<x>')[-1] | 'aaa'.split('aa') | 'aaa'.rsplit('aa')
'a\nb\r\nc\r\rd\n'.splitlines() | ''.splitlines() | 'a\x0bb\u2028c'.splitlines() | s.startswith('he') | s.endswith('lo') | s.startswith(('x', 'he')) | s.startswith('') | s.startswith(1) | s.endswith(('a',)) | s.removeprefix('he') | s.removesuffix('lo') | s.removeprefix('x')
s.replace('l', 'L') | s.replace('l', 'L', 1) | s.replace('', '-') | u.replace('', '.') | s.replace('', '-', 2) | s.replace('x', 'y') | s.replace('l', 1) | s.find('l') | s.find('z') | u.find('🎉') | s.count('l') | 'aaa'.count('aa') | u.count('') | ','.join(['a', 'b']) | ','.join([1]) | ''.join('abc')
s.rfind('l') | s.rfind('z') | s.rfind('') | u.rfind('🎉') | s.index('l') | s.index('z') | s.rindex('l') | u.rindex('é') | s.rindex('z') | s.partition('l') | s.partition('z') | s.partition('') | s.rpartition('l') | s.rpartition('z') | u.partition(', ') | 'a=b=c'.partition('=')[2] | 'a=b=c'.rpartition('=')[0] | s.partition(1)
' '.isspace() | ''.isspace() | '12'.isdigit() | 'a1'.isdigit() | ''.isdigit() | s.upper().lower() | s.nope() | s.append('x') | l.append(4) | d.update({}) | d.pop('b') | l.index(1) | l.index(9) | l.count(1) | (1, 1).count(1)
d.get('b') | d.get('zz') | d.get('zz', 5) | d.get(1) | d.get() | d.keys()|list | d.values()|list | d.items()|list | d['items'] | d.items() | nothing.items()|list | d.keys()|length | d.keys()[0] | nothing['items'] is defined | nothing['zzz'] is defined | d.__class__ | s.__len__
s|upper | s|lower | s|capitalize | 'hello world-foo (bar'|title | u|upper | s|length | u|length | l|length | d|length | n|length | none|length | w|trim | s|trim('o') | none|trim | 5|trim | missing|trim | s|count | true|upper | missing|upper
s|replace('l', 'r') | s|replace('l', 'r', 1) | 121|replace(1, 3) | s|reverse | l|reverse|list | words|reverse|first | u|reverse | d|reverse|list | s|first | s|last | l|first | l|last | empty|first | empty|last | d|first | missing|first | n|first | words|map('upper')|first
l|sort | words|sort | words|sort(case_sensitive=true) | l|sort(reverse=true) | words|sort(true, true) | people|sort(attribute='age')|map(attribute='name')|list | people|sort(attribute='name')|map(attribute='name')|list | people|sort(true, attribute='age')|map(attribute='name')|join | [1, 'a']|sort | [[2], [1]]|sort
words|unique|list | ['b', 'A', 'a', 'B']|unique|list | ['a', 'A']|unique(true)|list | people|unique(attribute='age')|map(attribute='name')|list | l|min | l|max | words|min | words|max | empty|min | people|max(attribute='age') | l|sum | people|sum(attribute='age') | l|sum(start=10) | empty|sum
words|join | words|join(', ') | l|join('-') | people|join(', ', attribute='name') | empty|join('x') | 'abc'|join('-') | [none, 1.5, missing]|join(',') | n|join | words|join(1) | d|join(',')
people|map(attribute='name')|list | people|map(attribute='zz')|list|length | people|map(attribute='zz', default='-')|list | people|map(attribute='tags.0', default='?')|list | words|map('upper')|list | words|map('replace', 'a', 'z')|join | ['  a ']|map('trim')|list | words|map('nope')|list | l|map('string')|list | people|map(attribute='name')|map('lower')|join(' ')
people|selectattr('boss', 'defined')|list|length | people|selectattr('age', 'equalto', 30)|map(attribute='name')|list | people|rejectattr('age', '==', 30)|list|length | people|selectattr('age', '>', 26)|list|length | people|selectattr('tags')|list|length | l|select('odd')|list | l|reject('odd')|list | l|select|list | [0, 1, '']|select|list | l|select('in', [1, 2])|list | words|reject('equalto', 'a')|join(', ') | people|selectattr('age')|length | people|selectattr('zz')|list | people|selectattr|list | l|select('nope')|list | people|selectattr('boss', 'none')|list|length
(people|selectattr('zz')) and 1 | (l|select('odd'))[0] is defined | l|map('abs')|length | missing|default('x') | nil|default('x') | nil|default('x', true) | e|default('x', boolean=true) | e|d('x') | missing|default | 0|default(1, true) | d.zz.y|default('x') | missing|d(d)
l|list | s|list | d|list | n|list | missing|list | d|items|list | missing|items|list | l|items|list | d|dictsort | {'b': 2, 'A': 1, 'a': 3}|dictsort | {'b': 2, 'A': 1}|dictsort(true) | {'b': 1, 'a': 2}|dictsort(by='value') | {'b': 1, 'a': 2}|dictsort(false, 'key', true) | l|dictsort
'42'|int | ' 42 '|int | '4_2'|int | '42.9'|int | 'x'|int | 'x'|int(5) | 3.9|int | -3.9|int | none|int | true|int | '1e3'|int | ''|int | '-7'|int | '+7'|int | '1.5'|float | 'x'|float | 'x'|float(2.0) | 3|float | '1e400'|int(3) | -5|abs | -2.5|abs | true|abs | missing|int | n|string | l|string | nil|string | missing|string | f|string ~ 'x'
s|tojson | u|tojson | q|tojson | d|tojson | l|tojson | nil|tojson | t|tojson | f|tojson | big|tojson | '<a href="x">&\'</a>'|tojson | d|tojson(indent=2) | d|tojson(indent=4) | [[], {}, [1]]|tojson(indent=1) | l|tojson(indent=0) | d|tojson(sort_keys=true) | d|tojson(separators=(',', ':')) | u|tojson(ensure_ascii=true) | '\x7f\x01\u2028'|tojson | missing|tojson | (1, 2)|tojson | d|tojson(indent='  ') | l|tojson(indent=none) | (l|map('abs'))|tojson | d.items()|tojson | 1e-7|tojson | 1e400|tojson | {'a': {'b': []}}|tojson(true, 2)
'a\nb\n\nc'|indent | 'a\nb'|indent(2) | 'a\nb'|indent(2, true) | 'a\n\nb'|indent(2, blank=true) | 'a\nb'|indent('> ') | 'a\n'|indent | ''|indent(2, true) | s|safe | '<b>'|safe
s is defined | missing is defined | missing is undefined | d.zz is defined | nil is none | nil is not none | missing is none | s is string | n is string | d is mapping | l is mapping | l is sequence | s is sequence | d is sequence | n is sequence | l is iterable | s is iterable | n is iterable | d is iterable | missing is iterable | missing is sequence
n is number | f is number | t is number | s is number | n is integer | t is integer | f is integer | f is float | n is float | t is boolean | n is boolean | t is true | no is false | n is true | 1 is true | nil is false | n is odd | n is even | 6 is divisibleby 3 | 6 is divisibleby(4) | f is odd | s is odd
n is equalto 7 | n is eq 8 | n is not equalto 8 | n is ne 7 | n is gt 3 | n is lt(3) | n is ge 7 | n is le 7 | n is in [7] | 'a' is in d | 1 is in l | n is sameas 7 or true | t is sameas true | nil is sameas none | t is sameas no | s is callable | range is callable | s.upper is callable | n is nope | not n is odd | n is not odd and true
1 if t else 2 | 1 if no else 2 | 1 if no | (1 if no) is defined | 'a' if no else 'b' if no else 'c' | t and 'x' | no and 'x' | e or 'x' | s or missing.x | no and missing.x | t and no or 'z' | not t == no | not (t == no) | (1, 2) == (1, 2) | [1] == (1,) | {'a': 1} == {'a': 1.0} | d == d | [1, [2]] == [1, [2]]
range(3)|list | range(1, 4)|list | range(5, 0, -2)|list | range(0)|list | range(3)|length | range(3)[1] | range(3)[-1] | range(1, 9)[::3]|list | range(100001) | range(1, 2, 0) | range('a') | range() | dict(a=1, b=2) | dict({'x': 1}, y=2) | dict(1) | namespace(a=1).a | namespace({'k': 2}).k | namespace().zz is defined | namespace(a=1)['a']
raise_exception('no') | raise_exception() | strftime_now | loop | cycler | foo.bar.baz | s.format(1) is defined and nope.x | l|length > 2 and l[0] == 3 | l|length - 1 | -l|length | (l|length) ~ 'x' | n|string|length | s|upper|lower|title | -n|abs | 2 * n|string | '%s' is string | {'a': 1}['a'] | {'a': 1}.a | [1, 2, 3][1] | 'abc'[1] | ('a', 'b')[1] | [[1, 2], [3]][0][1]
""".strip()

SNIPPETS = [
    # whitespace control
    "a\n{% if t %}\nb\n{% endif %}\nc\n", "  {% if t %}  b  {% endif %}  c", "x  {%- if t -%}  b  {%- endif -%}  c",
    "x\n\n  {{- s -}}  \n y", "x\n  {{ s }}\n y", "{# c #}\nx", "  {# c #}\n  x", "a {#- c -#} b", "a\n {#+ c +#}\n b",
    "{%+ if t +%}\n x {%+ endif %}\n", "   {%+ if t %}x{% endif %}", "a\n\n{% if t %}\n\nb{% endif %}\n\n", "\n\n{{ s }}\n\n",
    "a\r\nb\rc{% if t %}\r\nd{% endif %}", "{{ s }}\n", "{{ s }}\n\n", "\t {% set x = 1 %} \n{{ x }}", "{{ '{{' }} {{ '}}' }} { { }} %}",
    "{{ {'a': {'b': 1}}['a']['b'] }}", "{{ {'a': {'b': 1}} }}", "{% if '%}' == '%}' %}y{% endif %}", "a{{\n\n  s\n}}b", "{", "{{", "{%",
    "{{ s", "{% if t %}", "{# x", "{{ 'x }}", "}}", "{{ s }} }}", "{{- s }} \u2003 {%- if t %}\u00a0{% endif %}", "a \u00a0{%- set x = 1 -%}\u3000 b",
    "{{-s-}} x", "{{ -1 }}", "{{-1}}", "{%- set x = 1 -%}\n\n\n{{ x }}", "line\n    {%- for i in l %}\n    {{ i }}\n    {%- endfor %}\nend",
    # if
    "{% if no %}a{% elif t %}b{% else %}c{% endif %}", "{% if no %}a{% elif no %}b{% else %}c{% endif %}", "{% if missing %}a{% else %}b{% endif %}",
    "{% if no %}a{% endif %}", "{% if %}a{% endif %}", "{% else %}", "{% if t %}{% endfor %}", "{% if t, %}a{% endif %}",
    # for
    "{% for i in l %}{{ i }},{% endfor %}", "{% for i in empty %}x{% else %}none{% endfor %}", "{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }};{% endfor %}",
    "{% for i in l %}{{ loop.previtem }}-{{ loop.nextitem }};{% endfor %}", "{% for i in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}",
    "{% for i in l if i > 1 %}{{ i }}{{ loop.last }}{% else %}none{% endfor %}", "{% for i in l if i > 9 %}{{ i }}{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d|dictsort %}{{ k }};{% endfor %}", "{% for k in d %}{{ k }};{% endfor %}",
    "{% for (a, b) in [[1, 2], [3, 4]] %}{{ a }}{{ b }};{% endfor %}", "{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}", "{% for a, b in [1] %}{{ a }}{% endfor %}", "{% for a, b in ['xy'] %}{{ b }}{{ a }}{% endfor %}",
    "{% for c in u %}{{ c }}|{% endfor %}", "{% for i in n %}{% endfor %}", "{% for i in missing %}x{% else %}e{% endfor %}", "{% for i in none %}x{% endfor %}",
    "{% for i in range(3) %}{% for j in range(2) %}{{ loop.index }}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}{{ loop.index }};{% endfor %}",
    "{% for i in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for i in l %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %}", "{% for i in l %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}",
    "{% break %}", "{% for i in l %}{% for j in l %}{% break %}{% endfor %}{{ i }}{% endfor %}", "{% for i in l %}{% else %}{% endfor %}{{ i }}", "{{ loop is defined }}{% for i in [1] %}{{ loop is defined }}{% endfor %}",
    "{% for i in l %}{% set x = i %}{% endfor %}{{ x is defined }}", "{% set x = 0 %}{% for i in l %}{% set x = x + i %}{{ x }};{% endfor %}{{ x }}", "{% for x in l %}{% set x = x * 2 %}{{ x }}{% endfor %}",
    "{% for i in [1, 2] %}{% if loop.first %}{% set y = 5 %}{% endif %}{{ y is defined }}{% endfor %}", "{% for m in people %}{{ m.name }}{{ ', ' if not loop.last else '.' }}{% endfor %}",
    "{% for i in people|selectattr('age', 'gt', 26) %}{{ loop.index }}/{{ loop.length }}{{ i.name }} {% endfor %}", "{% for i in l[::-1] %}{{ i }}{% endfor %}", "{% for i in (1, 2) %}{{ i }}{% endfor %}", "{% for i in 1, 2 %}{{ i }}{% endfor %}",
    "{% set it = l|map('abs') %}{% for i in it %}{{ i }}{% endfor %}{% for i in it %}{{ i }}{% else %}spent{% endfor %}", "{% set it = l|select %}{{ it|first }}{{ it|list }}", "{% for i in l %}{{ i }}", "{% for l in l %}{{ l }}{% endfor %}",
    "{% for a in people %}{% for t in a.tags %}{{ t }}{% else %}-{% endfor %}{% endfor %}", "{% for i in 'ab' %}{% for j in 'cd' %}{{ i ~ j }}{{ loop.first }} {% endfor %}{% endfor %}",
    # set
    "{% set x = 1 %}{{ x }}", "{% set x, y = 1, 2 %}{{ x }}{{ y }}", "{% set (x, y) = [1, 2] %}{{ x }}{{ y }}", "{% set x, y = 1 %}", "{% set x = 1, 2 %}{{ x }}", "{% set x %}a{{ s }}b{% endset %}{{ x }}{{ x|length }}",
    "{% set x %}{% set y = 1 %}{% endset %}{{ y is defined }}", "{% set ns = namespace(x=1) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "{% set ns = namespace() %}{% set ns.a = [1] %}{% set ns.a = ns.a + [2] %}{{ ns.a }}",
    "{% set d.x = 1 %}", "{% set zz.x = 1 %}", "{% set x = 1 if no %}{{ x is defined }}", "{% if t %}{% set x = 1 %}{% endif %}{{ x }}", "{% set s = s ~ '!' %}{{ s }}", "{% set x %}{% endset %}[{{ x }}]", "{% set none = 1 %}", "{% set 1 = 1 %}", "{% set x = %}", "{% set x 1 %}",
    "{% set ns = namespace(l=[]) %}{% for i in l %}{% set ns.l = ns.l + [i * 2] %}{% endfor %}{{ ns.l|join(',') }}", "{% set ns = namespace(a=none) %}{{ ns.a is none }}{{ ns.b is defined }}{{ ns.b }}",
    # macro
    "{% macro f(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=4, a=5) }}{{ f() }}", "{% macro f(a) %}{{ a is defined }}{% endmacro %}{{ f() }}{{ f(1) }}", "{% macro f(a) %}x{% endmacro %}{{ f(1, 2) }}", "{% macro f(a) %}x{% endmacro %}{{ f(z=1) }}",
    "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "{% macro f() %}{{ y }}{% endmacro %}{% set y = 5 %}{{ f() }}", "{% set y = 1 %}{% macro f() %}{% set y = 2 %}{{ y }}{% endmacro %}{{ f() }}{{ y }}", "{% macro f(a, b=a) %}{{ b }}{% endmacro %}{{ f(1) }}",
    "{% macro f() %}  x  {% endmacro %}[{{ f()|trim }}]{{ f() is string }}{{ f is callable }}", "{% for i in [1] %}{{ g is defined }}{% endfor %}{% macro g() %}{% endmacro %}{{ g is defined }}", "{% macro f(x) %}{{ x.y }}{% endmacro %}{{ f({'y': 1}) }}{{ f(d) }}", "{% macro f(a=1, b) %}{% endmacro %}", "{% macro f(a) -%}\n  {{ a }}\n{%- endmacro %}[{{ f(1) }}]",
    "{% macro f(l) %}{% for i in l %}{{ i }}{{ loop.last }}{% endfor %}{% endmacro %}{% for i in [1] %}{{ f([1, 2]) }}{{ loop.index }}{% endfor %}", "{% macro f() %}{{ loop is defined }}{% endmacro %}{% for i in [1] %}{{ f() }}{% endfor %}",
    # call, filter and with blocks, recursive loops
    "{% macro f(a) %}[{{ a }}{{ caller() }}]{% endmacro %}{% call f(1) %}x{{ s }}{% endcall %}", "{% macro f() %}{{ caller(1, b=2) }}{% endmacro %}{% call(a, b=5, c=6) f() %}{{ a }}{{ b }}{{ c }}{% endcall %}",
    "{% macro f() %}x{% endmacro %}{% call f() %}y{% endcall %}", "{% macro f() %}{{ caller() }}{% endmacro %}{{ f() }}", "{% macro f() %}{{ caller is defined }}{% endmacro %}{{ f() }}{% call f() %}{% endcall %}",
    "{% macro f() %}{{ caller() }}{{ caller() }}{% endmacro %}{% for i in l %}{% call f() %}{{ i }}{{ loop.last }}{% endcall %}{% endfor %}", "{% call s %}x{% endcall %}", "{% call s.upper() %}x{% endcall %}",
    "{% macro g() %}<{{ caller() }}>{% endmacro %}{% macro f() %}{% call g() %}a{% endcall %}{% endmacro %}{{ f() }}", "{% call(a) nope() %}{% endcall %}", "{% set x = 1 %}{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{% set x = 2 %}{{ x }}{% endcall %}{{ x }}",
    "{% filter upper %}a{{ s }}b{% endfilter %}", "{% filter trim|replace('l', 'L') %}  {{ s }} {% endfilter %}", "{% filter indent(2, true) %}a\nb{% endfilter %}", "{% filter nope %}{% endfilter %}", "{% filter length %}abc{% endfilter %}",
    "{% filter upper %}{% set z = 'q' %}{{ z }}{% endfilter %}{{ z is defined }}", "{% for i in l %}{% filter string %}{{ i }}{{ loop.index }}{% endfilter %}{% endfor %}", "{% filter %}x{% endfilter %}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a is defined }}", "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with a, b = [1, 2] %}{{ a }}{{ b }}{% endwith %}", "{% for i in l %}{% with a = i %}{% if a == 1 %}{% break %}{% endif %}{{ a }}{% endwith %}{% endfor %}",
    "{% for i in [1, [2, [3, 4]], 5] recursive %}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}{{ loop.depth }}{{ loop.depth0 }}{{ loop.index }} {% endif %}{% endfor %}",
    "{% for p in [{'n': 'a', 'c': [{'n': 'b'}, {'n': 'c', 'c': [{'n': 'd'}]}]}] recursive %}<{{ p.n }}{% if p.c %}{{ loop(p.c) }}{% endif %}>{% endfor %}", "{% for i in l recursive %}{{ i }}{{ loop([]) }}{% else %}none{% endfor %}", "{% for i in l recursive %}{{ i }}{% endfor %}", "{% for i in l %}{{ loop([1]) }}{% endfor %}", "{% for i in l recursive %}{{ loop() }}{% endfor %}",
    "{% for i in l recursive %}{% for j in [1] %}{{ i }}{{ j }}{% endfor %}{% endfor %}",
    "{% for g in people|groupby('age') %}{{ g.grouper }}:{{ g.list|map(attribute='name')|join(',') }};{% endfor %}", "{% for age, ps in people|groupby('age') %}{{ age }}{{ ps|length }}{% endfor %}", "{{ people|groupby('boss', default='-')|length }}", "{{ [{'k': 'a'}, {'k': 'B'}, {'k': 'A'}]|groupby('k')|list }}", "{{ [{'k': 'a'}, {'k': 'B'}, {'k': 'A'}]|groupby('k', case_sensitive=true)|map('first')|list }}", "{{ (people|groupby('age'))[0] }}", "{{ l|groupby('x') }}",
    "{{ range(7)|batch(3)|list }}", "{{ range(7)|batch(3, '-')|list }}", "{{ []|batch(2)|list }}", "{{ range(6)|batch(3)|map('join')|list }}", "{{ range(7)|slice(3)|list }}", "{{ range(7)|slice(3, 'x')|list }}", "{{ range(2)|slice(3)|list }}", "{{ 'abc'|batch(2)|list }}",
    "{{ 2.5|round }}{{ 3.5|round }}{{ -2.5|round }}", "{{ 2.675|round(2) }}", "{{ 42.55|round(1, 'floor') }}{{ 42.55|round(1, 'ceil') }}", "{{ 7|round }}{{ 7|round(2, 'floor') }}", "{{ 1.25|round(1) }}", "{{ 'x'|round }}", "{{ 1.5|round(1, 'up') }}",
    "[{{ s|center(11) }}][{{ s|center(10) }}][{{ s|center(3) }}]", "{{ d|attr('a') is defined }}", "{{ s is lower }}{{ s is upper }}{{ 'A1' is upper }}{{ '1' is lower }}{{ u is lower }}",
    # raw blocks
    "{% raw %}{{ s }}{% if %}{# x #}{% endraw %}{{ s }}", "a {%- raw -%} \n {{ s }} \n {%- endraw -%} \n b", "{% raw %}\n  x\n{% endraw %}\ny", "  {% raw %}x{% endraw %}  y", "x\n  {% raw %}\n  y\n  {% endraw %}\nz", "{% raw %}  {% endraw %}", "{% raw -%}\n  {% endraw %}x", "{% raw %}\n\n  {%+ endraw %}\nx", "{% raw %}a{% endraw +%}\nx",
    "{%raw%}{{{%endraw%}}}", "{% raw %}{% raw %}{% endraw %}x", "{% raw %}x", "{% endraw %}", "{% raw +%}x{% endraw %}", "{%+ raw %} x {% endraw %}", "{% raw x %}{% endraw %}", "{% raw %}{% endraw x %}{% endraw %}", "{% for i in l %}{% raw %}{{ i }}{% endraw %}{% endfor %}", "{% raw %}\r\na\r\n{% endraw %}\r\nb", "{% raw %}{% endraw %}{{ s }}", "{% rawx %}", "a\n\t{% raw %}b{% endraw %}", "{% raw %}{%- endraw -%}",
    # loop.changed, cyclers and joiners
    "{% for i in [1, 1, 2, 2, 1] %}{{ loop.changed(i) }};{% endfor %}", "{% for i in [1, 1.0, true] %}{{ loop.changed(i) }}{% endfor %}", "{% for p in people %}{% if loop.changed(p.age) %}<{{ p.age }}>{% endif %}{{ p.name }}{% endfor %}", "{% for i in l %}{{ loop.changed() }}{% endfor %}", "{% for i in l %}{{ loop.changed(1, i) }}{{ loop.changed(1, i) }}{% endfor %}", "{% for i in l %}{% for j in [i, i] %}{{ loop.changed(j) }}{% endfor %}{% endfor %}", "{% for i in [[1], [1]] %}{{ loop.changed(i) }}{% endfor %}", "{% for i in l %}{{ loop.changed is callable }}{{ loop.changed(missing) }}{% endfor %}", "{% for i in [1, [1]] recursive %}{{ loop.changed(1) }}{% if i is iterable %}{{ loop(i) }}{% endif %}{% endfor %}",
    "{% set c = cycler('a', 'b', 'c') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}", "{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.reset() }}{{ c.next() }}{{ c.current }}", "{% set c = cycler('x', 'y') %}{% for i in l %}{{ c.next() }}{% endfor %}{% for i in l %}{{ c.next() }}{% endfor %}", "{{ cycler() }}", "{{ cycler(a=1) }}", "{{ cycler('a').zz is defined }}", "{% set c = cycler(1) %}{% set c.x = 2 %}", "{% set a = cycler(1) %}{% set b = a %}{{ a == b }}{{ a == cycler(1) }}{{ a is mapping }}{% if a %}t{% endif %}", "{{ cycler(missing).next() }}", "{{ cycler(1).next(2) }}",
    "{% set j = joiner() %}{% for i in l %}{{ j() }}{{ i }}{% endfor %}", "{% set j = joiner(' | ') %}{{ j() }}a{{ j() }}b{{ j() }}c", "{% set j = joiner(sep='-') %}{{ j() }}{{ j() }}{% set k = j %}{{ k() }}", "{% set j = joiner(5) %}{{ j() is string }}{{ j() + 1 }}", "{{ joiner() is callable }}", "{{ joiner(1, 2) }}", "{{ joiner()(1) }}", "{% set j = joiner() %}{% for p in people %}{% if p.age == 30 %}{{ j() }}{{ p.name }}{% endif %}{% endfor %}",
    # generation, raise_exception and the rest
    "{% generation %}a{{ s }}{% endgeneration %}b", "{% for i in [1] %}{% generation %}{% set z = 1 %}{{ i }}{% endgeneration %}{{ z is defined }}{% endfor %}", "{{ raise_exception('x') }}", "{% if no %}{{ raise_exception('x') }}{% endif %}ok", "{{ raise_exception('x' ~ n) if n > 9 }}ok",
    "{{ l.append(1) }}", "{% do l.append(1) %}", "{{ 1, 2 }}", "{{ }}", "{{ s s }}", "{{ s. }}", "{{ s[ }}", "{{ (1 }}", "{{ 1) }}", "{{ [1 }}", "{{ {'a' 1} }}", "{{ s|}}", "{{ s is }}", "{{ 1 + }}", "{{ a b }}", "{{ @ }}", "{{ s | upper | }}", "{{ is }}", "{{ f(a=1, 2) }}",
    "{{ 'a' if }}", "{{ not }}", "{{ x.y.z }}", "{% nope %}", "{% endif %}", "{{ s is string is string }}", "{{ 1 is odd and 2 is even }}", "{{ s is defined and s is string }}", "{{ [1, 2] is iterable and d is not string }}", "{{ people[0].name ~ people[-1]['name'] }}",
    "{%- for p in people -%}{%- if p.boss is defined and p.boss is not none -%}x{%- elif p.boss is defined -%}null{%- else -%}-{%- endif -%}{%- endfor -%}", "{{ (s + ' ' + u).split(' ')[1:]|join('_') }}", "{{ s.split('l')[0] + s.split('l')[-1] }}", "{{ '<think>x</think>\n\ny'.split('</think>')[-1].lstrip('\n') }}",
    "{{ '  a\n'.strip() ~ '|' ~ '\n\nb\n'.lstrip('\n').rstrip('\n') }}", "{{ d.a.x|tojson }}{{ d['a'].x[1]|tojson(indent=2) }}", "{{ 'yes' if 'a' in d and d.a is mapping else 'no' }}", "{{ dict(a=1)|items|list }}", "{% for k, v in d|items %}{{ k }}{% endfor %}", "{{ people|map(attribute='name')|sort|join(',') }}",
    "a{{ none }}b{{ missing }}c{{ true }}d{{ 1.0 }}e{{ [none, true, 'x', 1.5] }}f{{ {'k': 'it\\'s'} }}", "{{ ['a\nb', 'é', '\u200b', \"'\", '\"', '\\\\', '\x7f', '🎉'] }}", "{{ '\u00ad\u3000\ufeff'|list }}", "{{ ('a', ) }}{{ ((1, 2), [3]) }}",
]


def render(source):
    try:
        return _compile_jinja_template(source).render(**VARIABLES)
    except Exception:  # whatever Python raises, the rendering failed
        return None


def main():
    sources = [f"{{{{ {expression.strip()} }}}}" for line in EXPRESSIONS.splitlines()
               for expression in split_outside(line)]
    goldens = [[source, render(source)] for source in sources + SNIPPETS]
    lines = ",\n".join(json.dumps(golden, ensure_ascii=False) for golden in goldens)
    text = '{"variables":' + json.dumps(VARIABLES, ensure_ascii=False) + ',\n"cases":[\n' + lines + "\n]}\n"
    (pathlib.Path(__file__).parent / "jinja_goldens.json").write_text(text, encoding="utf-8")
    print(len(goldens), "templates,", sum(golden[1] is None for golden in goldens), "errors")


def split_outside(line):
    """The expressions of a line, between bars with spaces around them."""
    return line.split(" | ")


main()
