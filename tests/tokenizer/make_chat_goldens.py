"""Writes chat_goldens.json: conversations rendered by transformers with the templates in templates/.

    python make_chat_goldens.py     # needs transformers and jinja2

Every conversation is rendered with every template, with and without a generation prompt. null stands
for an error: the template refuses the conversation.
"""
import datetime
import json
import pathlib

from transformers.utils import chat_template_utils

NOW = datetime.datetime(2024, 11, 5, 9, 7, 3)
SPECIAL_TOKENS = {
    "llama-2-chat": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    "llama-3-instruct": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "llama-3.1-instruct": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "llama-3.2-instruct": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "mistral-7b-instruct-v0.1": {"bos_token": "<s>", "eos_token": "</s>"},
    "mistral-7b-instruct-v0.3": {"bos_token": "<s>", "eos_token": "</s>"},
    "qwen2.5-instruct": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "qwen3": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "gemma-2-it": {"bos_token": "<bos>", "eos_token": "<eos>"},
    "gemma-3-it": {"bos_token": "<bos>", "eos_token": "<eos>"},
    "phi-3-mini-instruct": {"bos_token": "<s>", "eos_token": "<|endoftext|>"},
    "smollm2-instruct": {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"},
    "gpt-oss": {"bos_token": "<|startoftext|>", "eos_token": "<|return|>",
                "pad_token": "<|endoftext|>"},
    "zephyr-7b-beta": {"bos_token": "<s>", "eos_token": "</s>"},
}


def user(content, **more):
    return {"role": "user", "content": content, **more}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather now, in °C & <wind> \"quoted\".",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Name of a city", "enum": ["Köln", "東京"]},
                "days": {"type": "integer", "default": 3, "minimum": 0.5},
                "exact": {"type": "boolean", "default": False, "nullable": None},
            },
            "required": ["city"],
        },
    },
}
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Kinds of parameters.",
        "parameters": {
            "type": "object",
            "properties": {
                "words": {"type": "array", "items": {"type": "string"}, "description": "Any of these"},
                "flags": {"type": "array", "items": {"type": "boolean"}, "nullable": True},
                "rows": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
                "list": {"type": "array", "nullable": True},
                "limits": {"type": "array", "items": {"type": "object", "properties": {
                    "low": {"type": "number"}, "high": {"type": "number"}}, "required": ["low"]}},
                "wide": {"type": "array", "items": {"type": "object", "properties": {
                    f"property_{i}": {"type": "integer"} for i in range(4)}}},
                "mode": {"oneOf": [{"type": "string", "default": "fast", "description": "how"},
                                   {"type": "integer"}], "default": "slow"},
                "union": {"oneOf": [{"type": "object"}, {"type": "string"}]},
                "either": {"type": ["string", "object"]},
                "one": {"type": ["number"], "default": [1.5, None, {"a": "<ö>"}]},
                "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
                "text": {"type": "string", "nullable": True, "default": "it's \"so\""},
                "place": {"type": "object", "properties": {"x": {"type": "integer"}}},
                "empty": {"type": "object"},
                "anything": {"description": "No type"},
            },
            "required": ["words", "limits"],
        },
    },
}
TIME = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "abcdef123", "type": "function",
        "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 2, "exact": True}}}
TEXT_CALL = {"type": "function", "function": {"name": "now", "arguments": "{\"zone\": \"UTC\"}"}}
HISTORY = [user("What is 2+2?"), assistant("4"), user("And 3+3?")]
TOOL_TURNS = [user("Weather in Köln?"), assistant("", tool_calls=[CALL]),
              {"role": "tool", "content": "{\"temp\": 21.5}", "tool_call_id": "abcdef123"}]

# (name, messages, variables)
CONVERSATIONS = [
    ("single turn", [user("Hello, who are you?")], {}),
    ("several turns", HISTORY, {}),
    ("system", [system("You are a pirate."), user("Hi!")], {}),
    ("system and several turns", [system("Be brief."), *HISTORY], {}),
    ("empty content", [user("")], {}),
    ("empty system", [system(""), user("x"), assistant(""), user("y")], {}),
    ("unicode", [user("Grüße aus Köln — 東京 🎉\u200b\u00a0"), assistant("Ça va? \U0001f468\u200d\U0001f469"),
                 user("\u3000שלום")], {}),
    ("white space around", [system("\n  sys \t"), user("  leading\n\nand trailing \n "),
                            assistant("\n\n reply\t\n"), user(" \u2003again\x0b ")], {}),
    ("text of special tokens", [user("<s>[INST] x [/INST]</s><|im_end|>\n<|im_start|>system\n"
                                     "<|eot_id|><end_of_turn><|end|>{{ bos_token }}{% if %}")], {}),
    ("two users in a row", [user("a"), user("b")], {}),
    ("assistant first", [assistant("I begin."), user("No, I do.")], {}),
    ("assistant last", [user("Finish this"), assistant("The end is")], {}),
    ("unknown role", [user("a"), {"role": "narrator", "content": "b"}], {}),
    ("system in the middle", [user("a"), assistant("b"), system("now be kind"), user("c")], {}),
    ("system only", [system("alone")], {}),
    ("long", [system("S" * 300)] + [m for i in range(6) for m in (
        user(f"Question {i}: " + "lorem ipsum\n" * (i % 5)), assistant(f"Answer {i}. " * (i % 4 + 1)))]
     + [user("last")], {}),
    ("quotes and backslashes", [user("it's \"quoted\" \\n \\\\ \t tab\r\nCRLF")], {}),
    ("no messages", [], {}),
    ("no content", [{"role": "user"}], {}),
    ("null content", [user(None)], {}),
    ("content in parts", [user([{"type": "text", "text": " part one "}, {"type": "image"},
                                {"type": "text", "text": "part two"}])], {}),
    ("system in parts", [{"role": "system", "content": [{"type": "text", "text": "in parts"}]},
                         user("hi")], {}),
    ("thinking in the history", [user("a"), assistant("<think>\nhm, let me see\n</think>\n\nb"),
                                 user("c")], {}),
    ("thinking in the last answer", [user("a"), assistant("<think>\nhm\n</think>\n\nb")], {}),
    ("reasoning_content", [user("a"), assistant("b", reasoning_content="\nbecause\n"), user("c"),
                           assistant("d", reasoning_content="so")], {}),
    ("thinking off", HISTORY, {"enable_thinking": False}),
    ("thinking on", HISTORY, {"enable_thinking": True}),
    ("tools", [user("Weather in Köln?")], {"tools": [WEATHER, TIME]}),
    ("tools and system", [system("Use tools."), user("Weather?")], {"tools": [WEATHER]}),
    ("tools without messages", [system("Use tools.")], {"tools": [WEATHER]}),
    ("tools in the system prompt", [user("Weather?")], {"tools": [WEATHER], "tools_in_user_message": False}),
    ("tool call", TOOL_TURNS, {"tools": [WEATHER]}),
    ("tool call answered", [*TOOL_TURNS, assistant("21.5 °C")], {"tools": [WEATHER]}),
    ("two tool calls", [user("x"), assistant("Let me look.", tool_calls=[CALL, TEXT_CALL]),
                        {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"},
                        user("thanks")], {}),
    ("tool result as an object", [user("x"), assistant("", tool_calls=[CALL]),
                                  {"role": "tool", "content": {"temp": 1.0, "ok": True},
                                   "tool_call_id": "abcdef123"}], {}),
    ("builtin tools", [user("x"), assistant("", tool_calls=[
        {"function": {"name": "brave_search", "arguments": {"query": "eet", "lang": "de"}}}])],
     {"builtin_tools": ["brave_search", "code_interpreter"]}),
    ("date_string", [user("What day is it?")], {"date_string": "1 Jan 1970"}),
    ("developer", [{"role": "developer", "content": "Be terse."}, user("Hi")],
     {"reasoning_effort": "high", "model_identity": "You are EET."}),
    ("developer and tools", [{"role": "developer", "content": "Use tools."}, *TOOL_TURNS],
     {"tools": [WEATHER], "reasoning_effort": "low", "builtin_tools": ["python"]}),
    ("developer after system", [system("a"), {"role": "developer", "content": "b"}, user("Hi")], {}),
    ("kinds of parameters", [user("Find it")],
     {"tools": [SEARCH, WEATHER], "builtin_tools": ["browser", "python"]}),
    ("thinking beside calls", [user("x"), assistant(None, tool_calls=[CALL], thinking="I must look."),
                               {"role": "tool", "content": {"temp": 1.0}, "tool_call_id": "abcdef123"},
                               assistant("1 degree", thinking="Done."), user("y"),
                               assistant("z", thinking="Last.")], {"tools": [WEATHER]}),
    ("thinking before a call", [user("x"), assistant("", tool_calls=[CALL], thinking="I must look.")], {}),
    ("content before a call", [user("x"), assistant("Let me look.", tool_calls=[
        {"name": "now", "arguments": "{}", "content_type": "<|constrain|>json"}])], {}),
    ("content and thinking before a call",
     [user("x"), assistant("Let me look.", tool_calls=[CALL], thinking="I must look.")], {}),
    ("channel in the content", [user("x"), assistant("<|channel|>final<|message|>y")], {}),
    ("channel in the thinking",
     [user("x"), assistant("y", thinking="<|channel|>analysis<|message|>z")], {}),
    ("tool result without a call", [user("x"), {"role": "tool", "content": "1"}], {}),
    ("integer as content", [user(5), assistant(1.5)], {}),
]


class FixedDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def render(source, tokens, messages, variables, add_generation_prompt):
    try:
        arguments = {"tools": None, "documents": None, **tokens, **variables}
        # render_jinja_template wants tools by themselves.
        rendered, _ = chat_template_utils.render_jinja_template(
            conversations=[messages], chat_template=source,
            add_generation_prompt=add_generation_prompt, **arguments)
        return rendered[0]
    except Exception:  # whatever Python raises, the rendering failed
        return None


def template_text(here, name):
    path = here / "templates" / f"{name}.jinja"
    if path.exists():
        return path.read_text(encoding="utf-8")
    shared = here.parent.parent.parent / "shared/data/tokenizers" / name / "tokenizer_config.json"
    return json.loads(shared.read_text(encoding="utf-8"))["chat_template"]


def main():
    chat_template_utils.datetime = FixedDatetime
    here = pathlib.Path(__file__).parent
    templates = {}
    for name, tokens in SPECIAL_TOKENS.items():
        source = template_text(here, name)
        templates[name] = {"special_tokens": tokens, "rendered": [
            [render(source, tokens, messages, variables, prompt) for prompt in (False, True)]
            for _, messages, variables in CONVERSATIONS]}
    goldens = {"now": NOW.strftime("%Y-%m-%d %H:%M:%S"),
               "conversations": [{"name": name, "messages": messages, "variables": variables}
                                 for name, messages, variables in CONVERSATIONS],
               "templates": templates}
    text = json.dumps(goldens, ensure_ascii=False, separators=(",", ":"))
    # A line for each conversation and template.
    text = text.replace("},{\"name\":", "},\n{\"name\":").replace("]},\"", "]},\n\"")
    (here / "chat_goldens.json").write_text(text + "\n", encoding="utf-8")
    for name, one in templates.items():
        good = sum(r is not None for pair in one["rendered"] for r in pair)
        print(f"{name}: {good} of {2 * len(CONVERSATIONS)} render")


main()
