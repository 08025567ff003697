#!/usr/bin/env python3
"""Builds random tokenizers with Hugging Face tokenizers, and compares their ids and texts with eet's.

  compare_tokenizers.py EET [--tokenizers N] [--texts N] [--seed N]   compares, prints what differs
  compare_tokenizers.py --write-goldens                               writes pipeline_goldens.jsonl

A tokenizer takes one of the models, and some of the normalizers, pre-tokenizers, post-processors and
decoders, with added tokens of every flag. Needs the packages tokenizers and sentencepiece.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
CORPUS = HERE / "universal_declaration.txt"  # of human rights, in 41 languages
GOLDENS = HERE / "pipeline_goldens.jsonl"

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
KIMI = (r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
            r"|\s*[\r\n]+|\s+(?!\S)|\s+")
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
PATTERNS = [GPT2, LLAMA3, QWEN2, O200K, KIMI, DEEPSEEK, BLOOM, r"\w+|[^\w\s]+", r"\d", r"\s+", r"[\p{P}\p{S}]", r"\p{N}{1,3}",
            r"[一-龥぀-ゟ゠-ヿ]+", r"(?=[A-Z])", r"\b", r"[a-z&&[^aeiou]]+", r"\h+", r"(?<=\s)\S", r"x*", r"\p{Lu}", r"[[:upper:]]+",
            r".", r"(?m:.+)", r"\R", r"[^\s\p{Greek}]+", r"(\d)(?=(\d{3})+\b)", r"\p{Emoji}", r"e(?!\p{M})", r"^\s|\s$", r"[\x{0600}-\x{06FF}]+"]
LITERALS = [" ", "-", "the", "▁", "e", "。", "\n", "  ", "'"]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
EDGES = ["", " ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "\u0085", "\u200b", "\u200d", "\ufeff", "\u180e", "\x00",
         "\x01", "\x1b", "\x7f", "\u0301", "e\u0301", "a\u0323\u0301", "\u0344", "\u1e9b\u0323", "ﬁ", "ｆｕｌｌ", "①", "²", "½", "Ⅷ",
         "\u0130", "ß", "ẞ", "ſ", "'S", "'ſ", "'re", "İstanbul", "ΣΑΣ", "각", "\u1112\u1161\u11ab", "한", "👩‍👩‍👧‍👦", "🫩", "🇩🇪", "👍🏽", "❤️", "©️",
         "\u0378", "\U000e0041", "\U0010ffff", "\ue000", "\u0b95\u0bcd\u0bb7", "क्ष", "\u0600a", "\u08ca\u0323", "\u1ac5", "…", "--", "__",
         "<0x41>", "<0xE4>", "▁", "▁▁", "Ġ", "##", "1234567", "3.14", "don't", "I'll", "WE'VE", "www.example.com/a?b=c", "x" * 70, "a" * 100,
         "\u0e33", "ำ", "\u1109\u1161", "\uac00\u11a8", "\U00016d63", "\u2126", "\u212b", "ǆ", "ﷺ", "㍿", "𝔘𝔫𝔦", "ｶﾞ", "が", "\u3099"]


FEW_RULES = [("e", "E"), ("e\u0301", "é"), ("ﬁ", "fi"), ("\t", " "), ("\u3000", " "), ("\u200d", ""), ("…", "..."), ("क", "k"), ("©", "(c)"),
             ("á", "a"), ("中", "zh"), ("\r", ""), ("\u0600", "#")]


def corpus():
    return [line for line in CORPUS.read_text().split("\n") if line]


def make_text(rng, lines, tokens):
    parts = []
    for _ in range(rng.choice([1, 1, 2, 3, 5, 8])):
        kind = rng.random()
        if kind < 0.45:
            line = rng.choice(lines)
            begin = rng.randrange(len(line))
            parts.append(line[begin:begin + rng.randrange(1, 40)])
        elif kind < 0.75:
            parts.append(rng.choice(EDGES))
        elif kind < 0.92 and tokens:
            parts.append(rng.choice(["", " ", "  ", "\n", "a", "_", "é"]) + rng.choice(tokens) + rng.choice(["", " ", "\t ", "b", "\u3000"]))
        else:
            c = rng.randrange(0x110000) if rng.random() < 0.3 else rng.randrange(0x3100)
            parts.append(chr(c) if not 0xD800 <= c < 0xE000 else "?")
    text = "".join(parts)
    if rng.random() < 0.1:
        text = text.upper()
    return text


def charsmaps(rules):
    """Precompiled rules of sentencepiece, by name; "few" has a dozen of our own."""
    maps = {}
    with tempfile.TemporaryDirectory() as folder:
        few = pathlib.Path(folder) / "few.tsv"
        few.write_text("".join(f"{' '.join(f'{ord(c):X}' for c in old)}\t{' '.join(f'{ord(c):X}' for c in new)}\n" for old, new in FEW_RULES))
        for rule in rules:
            source = {"normalization_rule_tsv": str(few)} if rule == "few" else {"normalization_rule_name": rule}
            sentencepiece.SentencePieceTrainer.train(input=str(CORPUS), model_prefix=f"{folder}/m", vocab_size=400, model_type="char",
                                                     hard_vocab_limit=False, minloglevel=2, **source)
            model = sentencepiece_model_pb2.ModelProto()
            model.ParseFromString(pathlib.Path(f"{folder}/m.model").read_bytes())
            maps[rule] = model.normalizer_spec.precompiled_charsmap
    return maps


def random_pattern(rng):
    return Regex(rng.choice(PATTERNS)) if rng.random() < 0.7 else rng.choice(LITERALS)


def random_normalizer(rng, maps):
    return rng.choice([
        normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.NFKD, normalizers.Lowercase, normalizers.StripAccents,
        lambda: normalizers.Strip(left=rng.random() < 0.6, right=rng.random() < 0.6),
        lambda: normalizers.Prepend(rng.choice(["▁", "_", "ab"])),
        lambda: normalizers.Replace(rng.choice([" ", "the", "''", "e\u0301"]), rng.choice(["▁", "", "x", "  "])),
        lambda: normalizers.Replace(Regex(rng.choice([r"\s+", r" {2,}", r"\p{M}", r"[A-Z]", r"\d+", r"(?<=a)b"])), rng.choice([" ", "", "▁", "N"])),
        lambda: normalizers.Precompiled(maps[rng.choice(list(maps))]), normalizers.Nmt])()


def random_pre_tokenizer(rng):
    return rng.choice([
        lambda: pre_tokenizers.Split(random_pattern(rng), rng.choice(BEHAVIORS), rng.random() < 0.35),
        lambda: pre_tokenizers.Split(random_pattern(rng), rng.choice(BEHAVIORS), rng.random() < 0.35),
        lambda: pre_tokenizers.Split(Regex(rng.choice(PATTERNS[:7])), "isolated", False),
        lambda: pre_tokenizers.Digits(individual_digits=rng.random() < 0.5),
        lambda: pre_tokenizers.Punctuation(rng.choice(BEHAVIORS)),
        pre_tokenizers.Whitespace, pre_tokenizers.WhitespaceSplit, pre_tokenizers.BertPreTokenizer, pre_tokenizers.UnicodeScripts,
        lambda: pre_tokenizers.Metaspace("▁", rng.choice(["first", "always", "never"]), rng.random() < 0.5),
        lambda: pre_tokenizers.Metaspace(rng.choice("_▁"), rng.choice(["first", "always", "never"]), rng.random() < 0.5),
        lambda: pre_tokenizers.CharDelimiterSplit(rng.choice(" -e▁")),
        lambda: pre_tokenizers.FixedLength(rng.randrange(1, 6))])()


def random_decoder(rng):
    return rng.choice([
        decoders.ByteLevel, decoders.ByteFallback, decoders.Fuse,
        lambda: decoders.Replace(rng.choice(["▁", " ", "a▁", "the", "aa"]), rng.choice([" ", "", "x"])),
        lambda: decoders.Replace(Regex(rng.choice([r"\s+", r"\d", r"a+"])), rng.choice([" ", "", "N"])),
        lambda: decoders.Strip(rng.choice(" ▁a"), rng.randrange(3), 0),
        lambda: decoders.Metaspace(rng.choice("▁_"), rng.choice(["first", "always", "never"]), rng.random() < 0.5),
        lambda: decoders.WordPiece("##", rng.random() < 0.5), lambda: decoders.BPEDecoder("</w>")])()


SPECIALS = ["<unk>", "<s>", "</s>", "[CLS]", "[SEP]"]
ALPHABET = pre_tokenizers.ByteLevel.alphabet()


def random_model(rng, lines, byte_level, vocab_size):
    """A model, trained on what the pre-tokenizers would make of the corpus, more or less."""
    style = rng.choice(["bpe", "bpe", "unigram", "word_level"])
    bytes_ = [f"<0x{b:02X}>" for b in range(256)] if rng.random() < 0.6 and style != "word_level" else []
    if bytes_ and rng.random() < 0.2:
        bytes_ = rng.sample(bytes_, 200)
    if style == "bpe":
        scratch = Tokenizer(models.BPE(unk_token="<unk>"))
        options = {}
        if rng.random() < 0.15:
            options["continuing_subword_prefix"] = "##"
        if rng.random() < 0.15:
            options["end_of_word_suffix"] = "</w>"
        trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=SPECIALS + bytes_, initial_alphabet=sorted(ALPHABET) if byte_level else [],
                                      limit_alphabet=300, show_progress=False, **options)
    elif style == "unigram":
        scratch = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(vocab_size=vocab_size, special_tokens=SPECIALS + bytes_, unk_token="<unk>", show_progress=False,
                                          initial_alphabet=sorted(ALPHABET) if byte_level else [])
    else:
        scratch = Tokenizer(models.WordLevel(unk_token="<unk>"))
        trainer = trainers.WordLevelTrainer(vocab_size=vocab_size, special_tokens=SPECIALS, show_progress=False)
    if byte_level:
        scratch.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    elif rng.random() < 0.5:
        scratch.pre_tokenizer = pre_tokenizers.Metaspace(split=rng.random() < 0.7)
    else:
        scratch.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace()])
    scratch.train_from_iterator(rng.sample(lines, min(len(lines), 300)), trainer)
    model = json.loads(scratch.to_str())["model"]
    if style == "bpe":
        model.update(unk_token=rng.choice([None, "<unk>"]), fuse_unk=rng.random() < 0.5, byte_fallback=bool(bytes_),
                     ignore_merges=rng.random() < 0.3)
    elif style == "unigram":
        model["byte_fallback"] = bool(bytes_)
    return model


def random_post_processor(rng, ids):
    template = lambda single, pair: processors.TemplateProcessing(single=single, pair=pair, special_tokens=[(t, ids[t]) for t in SPECIALS])
    byte_level = processors.ByteLevel(trim_offsets=rng.random() < 0.5)
    return rng.choice([
        lambda: None, lambda: byte_level, lambda: template("<s> $A", "<s> $A <s> $B"), lambda: template("<s> $A </s>", "<s> $A </s> $B </s>"),
        lambda: template("[CLS] [CLS] $A [SEP]", "$A $B"), lambda: template("$A </s>", "$A $B </s>"),
        lambda: processors.RobertaProcessing(("</s>", ids["</s>"]), ("<s>", ids["<s>"])),
        lambda: processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"])),
        lambda: processors.Sequence([byte_level, template("<s> $A", "$A $B")]),
        lambda: processors.Sequence([template("<s> $A", "$A $B"), template("$A [SEP]", "$A [SEP] $B </s>")])])()


def add_tokens(rng, tokenizer):
    contents = ["<mask>", "<|im_start|>", "<|im_end|>", "thing", "é", "e\u0301", "Über", " x", "the", "\n\n", "  ", "İ", "ﬁx", "<s>x", "中文", "[A]", "a b", "1",
                "ß", "▁▁", "Hello"]
    tokens = []
    for content in rng.sample(contents, rng.randrange(0, 9)):
        tokens.append(AddedToken(content, single_word=rng.random() < 0.3, lstrip=rng.random() < 0.3, rstrip=rng.random() < 0.3,
                                 normalized=rng.random() < 0.5, special=rng.random() < 0.4))
    normalize = tokenizer.normalizer.normalize_str if tokenizer.normalizer else str
    forms = [normalize(token.content) for token in tokens if token.normalized]
    if len(set(forms)) < len(forms) or "" in forms:  # found by chance, or the reference fails
        return None
    tokenizer.add_tokens(tokens)
    return Tokenizer.from_str(tokenizer.to_str())


def random_tokenizer(rng, lines, maps, vocab_size):
    byte_level = rng.random() < 0.4
    try:
        model = random_model(rng, lines, byte_level, vocab_size)
    except Exception:  # no room for all characters
        return None
    tokenizer = Tokenizer.from_str(json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                                               "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": model}))
    steps = [random_normalizer(rng, maps) for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
    if byte_level and rng.random() < 0.1:
        steps.append(normalizers.ByteLevel())
    if steps:
        tokenizer.normalizer = steps[0] if len(steps) == 1 and rng.random() < 0.7 else normalizers.Sequence(steps)
    steps = [random_pre_tokenizer(rng) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
    if byte_level:
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=rng.random() < 0.4, use_regex=rng.random() < 0.6))
        if rng.random() < 0.15:
            steps.append(random_pre_tokenizer(rng))
    if steps:
        tokenizer.pre_tokenizer = steps[0] if len(steps) == 1 and rng.random() < 0.7 else pre_tokenizers.Sequence(steps)
    style = rng.random()
    if byte_level and style < 0.7:
        tokenizer.decoder = decoders.ByteLevel()
    elif style < 0.5:
        tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    elif style < 0.95:
        steps = [random_decoder(rng) for _ in range(rng.choice([1, 2, 3]))]
        tokenizer.decoder = steps[0] if len(steps) == 1 else decoders.Sequence(steps)
    ids = {token: tokenizer.token_to_id(token) for token in SPECIALS}
    if any(id is None for id in ids.values()):
        return None
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in SPECIALS])
    post_processor = random_post_processor(rng, ids)
    if post_processor is not None:
        tokenizer.post_processor = post_processor
    return add_tokens(rng, tokenizer)


def reference_rows(tokenizer, texts):
    """ids without and with special tokens and the decoded text; None where the reference fails."""
    rows = []
    for text in texts:
        try:
            plain = tokenizer.encode(text, add_special_tokens=False).ids
            row = (plain, tokenizer.encode(text, add_special_tokens=True).ids, None)
        except BaseException:  # Rust's panics are no Exception
            rows.append(None)
            continue
        try:
            row = (*row[:2], tokenizer.decode(plain, skip_special_tokens=False))
        except BaseException:
            pass
        rows.append(row)
    return rows


def run(eet, folder, rows, *flags):
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = subprocess.run([eet, "tokenize", "-m", str(folder / "tokenizer.json"), "-i", str(folder / "in.jsonl"), "-o", "-", *flags],
                            capture_output=True, text=True)
    if result.returncode not in (0, 3):
        return None, result.stderr[-300:]
    return [json.loads(line) for line in result.stdout.split("\n") if line], ""


def compare(eet, tokenizer, texts, folder):
    """How many rows were compared, and those that differ."""
    (folder / "tokenizer.json").write_text(tokenizer.to_str())
    expected = reference_rows(tokenizer, texts)
    differences = []
    compared = 0
    for index, flags in enumerate([("--add-special-tokens", "false"), ("--add-special-tokens", "true")]):
        got, error = run(eet, folder, [{"text": text} for text in texts], *flags)
        if got is None:
            return 0, [("refused", error, "")]
        for text, row, answer in zip(texts, expected, got):
            if row is None:
                continue
            compared += 1
            if answer.get("ids") != row[index]:
                differences.append((flags[1], text, row[index], answer))
    rows = [row for row in expected if row is not None and row[2] is not None]
    got, error = run(eet, folder, [{"ids": row[0]} for row in rows], "--decode")
    if got is None:
        return compared, differences + [("decode refused", error, "")]
    for row, answer in zip(rows, got):
        compared += 1
        if answer.get("text") != row[2]:
            differences.append(("decode", row[0], row[2], answer))
    return compared, differences


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("eet", nargs="?")
    parser.add_argument("--tokenizers", type=int, default=20)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path, help="where tokenizers that differ are left")
    parser.add_argument("--write-goldens", action="store_true")
    args = parser.parse_args()
    if args.write_goldens:
        write_goldens()
        return 0
    lines = corpus()
    maps = charsmaps(["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "few"])
    done = total = wrong = 0
    seed = args.seed
    while done < args.tokenizers:
        rng = random.Random(seed)
        seed += 1
        tokenizer = random_tokenizer(rng, lines, maps, rng.choice([600, 1500, 4000]))
        if tokenizer is None:
            continue
        done += 1
        tokens = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        texts = [make_text(rng, lines, tokens) for _ in range(args.texts)]
        with tempfile.TemporaryDirectory() as folder:
            compared, differences = compare(args.eet, tokenizer, texts, pathlib.Path(folder))
        total += compared
        wrong += len(differences)
        if differences:
            document = json.loads(tokenizer.to_str())
            document.pop("added_tokens")
            document["model"] = {key: value for key, value in document["model"].items() if key not in ("vocab", "merges")}
            print(f"seed {seed - 1}: {len(differences)} differences of {compared}", json.dumps(document, ensure_ascii=False)[:1500])
            for difference in differences[:3]:
                print("   ", *map(ascii, difference))
            if args.keep:
                (args.keep / f"{seed - 1}.json").write_text(tokenizer.to_str())
        sys.stdout.flush()
    print(f"{done} tokenizers, {total} comparisons, {wrong} differences")
    return 1 if wrong else 0


class Shared:
    """Values that several tokenizers have, each kept once."""

    def __init__(self):
        self.values = []

    def index(self, value):
        if value not in self.values:
            self.values.append(value)
        return self.values.index(value)


def without_lists(tokenizer, vocabularies, merges):
    """tokenizer.json with the places of its vocabulary (pieces by id; of Unigram with scores) and merges."""
    model = tokenizer["model"]
    vocab = model["vocab"]
    if isinstance(vocab, dict):
        vocab = sorted(vocab, key=vocab.get)
        assert [model["vocab"][piece] for piece in vocab] == list(range(len(vocab)))
    model["vocab"] = vocabularies.index(vocab)
    if "merges" in model:
        model["merges"] = merges.index(model["merges"])
    return tokenizer


def with_short_scores(tokenizer):
    document = json.loads(tokenizer.to_str())
    if document["model"]["type"] == "Unigram":
        document["model"]["vocab"] = [[piece, round(score, 6)] for piece, score in document["model"]["vocab"]]
    return Tokenizer.from_str(json.dumps(document))


def around(ids, with_special):
    """The special tokens before and after `ids`."""
    for begin in range(len(with_special) - len(ids) + 1):
        if with_special[begin:begin + len(ids)] == ids:
            return with_special[:begin], with_special[begin + len(ids):]
    raise ValueError(f"{ids} are not in {with_special}")


def write_goldens():
    """Tiny vocabularies: the parts matter, not the words. The first line has what tokenizers share."""
    lines = corpus()[::9]
    maps = charsmaps(["few"])
    vocabularies, merges, goldens = Shared(), Shared(), []
    seed = 0
    while len(goldens) < 50:
        rng = random.Random(seed)
        seed += 1
        tokenizer = random_tokenizer(rng, lines, maps, 640)
        if tokenizer is None:
            continue
        tokenizer = with_short_scores(tokenizer)
        tokens = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        texts = [make_text(rng, lines, tokens) for _ in range(16)]
        rows = [{"text": text, "ids": row[0], "around": around(*row[:2]), "decoded": row[2]}
                for text, row in zip(texts, reference_rows(tokenizer, texts)) if row is not None]
        goldens.append({"tokenizer": without_lists(json.loads(tokenizer.to_str()), vocabularies, merges), "rows": rows})
    with open(GOLDENS, "w") as out:
        for line in [{"vocabularies": vocabularies.values, "merges": merges.values}, *goldens]:
            out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    sys.exit(main())
