"""Writes gguf_cuts.json: ids of Hugging Face tokenizers that cut words as llama.cpp's names say.

    python make_gguf_cuts.py     # needs tokenizers

The vocabulary is trained on texts that are not cut at all, so its merges cross every border where a
cut may be, and a few tokens have no merges, which ignore_merges alone finds. What a name stands for
is in the tokenizer.json of the model that llama.cpp's conversion gives the name to: the patterns
are quoted in src/llama-vocab.cpp, and the normalizers are those of gpt2, SmolLM, StarCoder 2,
Command R, Falcon, OLMo, Qwen2, StableLM 2, Llama 3, GLM-4, DeepSeek and Mistral Nemo.
"""
import json
import pathlib

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

TEXTS = [
    "Hello world, it's 2024: I'LL pay $1,234,567.89 -- you've won!!",
    "  two  spaces\tand a tab \n\n\r\nlines\r\n   indented\n",
    "def f(x_1, y2):\n\treturn x_1**2 // (y2 or 1000000)  # don't\n\n",
    "Köln, cafe\u0301, A\u030angstro\u0308m, ﬁn, ſ’s İstanbul",
    "中文没有空格。日本語のテキストとカタカナ，123個。한국어 문장입니다 45",
    "١٢٣ ४५६ ²³ ⅻ x²+y³=z½ 3.14e-10 0xFF 12345678901",
    "Привет мир! Γειά σου; שלום עולם؟ नमस्ते दुनिया ทดสอบ",
    "CamelCaseWordsAndHTTPServer iPhone McDonald's O'Brien WE'RE they'Re",
    "emoji 👩‍👩‍👧 🇩🇪🚀🚀 <|user|> </s> [INST] {{x}} ~~~ ``` $$a$$ <=> ^|`",
    "a.b/c\\d e-mail@x.org https://x.y/z?q=1&r=2#t …“quoted”‘s’—dash\u00a0nbsp\u3000wide\u2028sep",
    "      ", "\n", " \n \n  x", "x   \n", "'s 't 'RE 'x '", "",
]
WHOLE = ["Ġhello", "Hello", "123", "åĽ½"]  # in the vocabulary, without merges

GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
ENGLISH = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = ENGLISH + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + REST
LLAMA3 = ENGLISH + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|" + REST
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SLASHES = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def cased(endings):
    return "|".join(r"[^\r\n\p{L}\p{N}]?" + words + endings
                    for words in (f"{UPPER}*{LOWER}+", f"{UPPER}+{LOWER}*"))


GPT4O = cased(ENGLISH + "?") + r"|\p{N}{1,3}" + SLASHES
TEKKEN = cased("") + r"|\p{N}" + SLASHES
DEEPSEEK_LATIN = (
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕ"
    r"ἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛ"
    r"Ꜣ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+")
DEEPSEEK_V3 = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
               r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def digits(individual):
    return pre_tokenizers.Digits(individual_digits=individual)


# name: (steps, NFC, ignore_merges)
CUTS = {
    **{name: ([GPT2], False, False) for name in ("gpt-2", "phi-2", "gigachat", "exaone4")},
    **{name: ([GPT2], True, False) for name in ("mpt", "olmo")},
    **{name: ([digits(True), GPT2], False, False)
       for name in ("starcoder", "refact", "smollm", "codeshell")},
    "command-r": ([digits(True), GPT2], True, False),
    "falcon": ([pre_tokenizers.Punctuation("contiguous"), GPT2, digits(False),
                split("[0-9][0-9][0-9]")], False, False),
    **{name: ([split(QWEN2), BYTES], True, False)
       for name in ("qwen2", "deepseek-r1-qwen", "megrez", "stablelm2")},
    **{name: ([split(LLAMA3), BYTES], False, True)
       for name in ("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "lfm2",
                    "glm4")},
    **{name: ([split(LLAMA3), BYTES], False, False) for name in ("dbrx", "smaug-bpe", "chatglm-bpe")},
    **{name: ([split(GPT4O), BYTES], False, False) for name in ("gpt-4o", "llama4")},
    "tekken": ([split(TEKKEN), BYTES], False, True),
    "deepseek-llm": ([split(r"[\r\n]"), split(DEEPSEEK_LATIN), split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
                      split(r"\s+$"), split(r"[一-龥ࠀ-一가-퟿]+"), digits(True), BYTES], False, False),
    "deepseek-coder": ([split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"),
                        split(r"[一-龥ࠀ-一가-퟿]+"), digits(True), BYTES], False, False),
    "deepseek-v3": ([split(r"\p{N}{1,3}"), split(r"[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK_V3), BYTES], False,
                    False),
}


def train():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = BYTES
    trainer = trainers.BpeTrainer(vocab_size=520, min_frequency=2, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    return tokens + [token for token in WHOLE if token not in model["vocab"]], merges


def encode(tokens, merges, steps, composes, ignore_merges):
    vocab = {token: i for i, token in enumerate(tokens)}
    pairs = [tuple(merge.split(" ")) for merge in merges]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=pairs, ignore_merges=ignore_merges))
    if composes:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]


def main():
    tokens, merges = train()
    names_of = {}  # by ids
    for name, cut in CUTS.items():
        names_of.setdefault(json.dumps(encode(tokens, merges, *cut)), []).append(name)
    cuts = [{"names": names, "ids": json.loads(ids)} for ids, names in names_of.items()]
    goldens = {"tokens": tokens, "merges": merges, "texts": TEXTS, "cuts": cuts}
    text = json.dumps(goldens, ensure_ascii=False, separators=(",", ":"))
    path = pathlib.Path(__file__).with_name("gguf_cuts.json")
    path.write_text(text.replace("]]},{", "]]},\n{") + "\n", encoding="utf-8")
    print(f"{len(tokens)} tokens, {len(CUTS)} names, {len(cuts)} cuts, {path.stat().st_size} bytes")


main()
