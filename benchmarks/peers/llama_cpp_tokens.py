"""Our vocabulary in a real llama.cpp: the same ids for every text? Run by a Python with xllamacpp, gguf, sentencepiece.

    python benchmarks/peers/llama_cpp_tokens.py data/tokenizer/antimatter.model [--text FILE ...] [--strings 3000]

Writes a GGUF file of a tiny random model with the vocabulary, starts xllamacpp's server on a free loopback port, and
compares /tokenize (parse_special false) with SentencePiece, and /detokenize of the ids with the text. The strings: a
list of nasty ones, pieces glued at random, whitespace, random characters, and passages of the files named by --text.
A text with a literal U+2581 comes back with a space there, from SentencePiece too: such strings are counted apart.

Prints the first differences, then {"strings", "bytes", "tokens", "ids_differ", "text_lost", "with_u2581"}.
Ends with 1 if any string differs.
"""

import argparse
import json
import random
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import sentencepiece
import xllamacpp
from sentencepiece import sentencepiece_model_pb2 as model_file

WIDTH, CONTEXT = 32, 64  # of the random model
SHOWN = 10
SPACE = "\u2581"
NASTY = [
    " ", "  ", "   ", "\n", "\n\n", "\n ", " \n", "\t", "\t\t", " \t \n", "\r\n", "\r", "a\r\nb", "\v\f", "\x00",
    "a\x00b", "\x01\x7f\x80\x9f", "\ufeff", "a\ufeffb", "  two  spaces  ", " leading", "trailing ", "line\n",
    "\nline", "a\n\n\nb", "def f(x):\n\treturn x ** 2\n",
    "if x:\n    y()\n    if z:\n        w(1, 2)\n\n\nclass A:\n    pass\n", "{\n  \"a\": [1,\n\t2]\n}\n",
    "for (;;) {\n\t\tputs(\"a\\n\");\n\t}\n", ")\n    ", "),\n        (", "\n    \n\t \n", "- a\n  - b\n    - c\n",
    "x = 1    # a\nyy = 22  # b\n", "e\u0301 a\u0308\u0323 o\u0323\u0302", "\u0301", " \u0301", "مرحبا بالعالم",
    "שלום עולם", "漢字かな交じり文", "한국어 텍스트", "ไทย", "नमस्ते", "Ελληνικά и кириллица",
    "👩‍👩‍👧‍👦 🇩🇪 👍🏽 ❤️", "\u200b\u200c\u200d\u2060", "\u202eabc\u202c", "\u2028\u2029\u0085", "\u00a0\u3000",
    "[PAD] [BOS] [EOS] [UNK] <unk> <s> </s> <0x0A> <0xE2>", "[BOS]", "<|end|>", "<|user|> hi <|end|>", "<|us",
    "<|im_end|>", "<|endoftext|>", "<0x0A", "[BOS", "[EOT]", SPACE, f"a{SPACE}b", f"{SPACE}{SPACE}",
    f"\n{SPACE} {SPACE}", "1234567890", "3.14159e-10", "007", "http://x.y/z?a=1&b=2#c", "C:\\dir\\file.txt",
    "a@b.co", "\U0010ffff\uffff\ue000", "a" * 300, " " * 300, "\n" * 300, "\t" * 300, "ab" * 500, "é" * 400,
    "漢" * 400, "!" * 257, "- " * 200, "\n " * 200,
]  # fmt: skip


def compared_strings(model: model_file.ModelProto, files: list[Path], count: int) -> list[str]:
    """NASTY and `count` more, the same in every run."""
    draw = random.Random(5)
    normal = [entry.piece.replace(SPACE, " ") for entry in model.pieces if entry.type == entry.NORMAL]
    blank = [piece for piece in normal if not piece.strip(" \n\t")] + [" ", "\n", "\t"]
    broken = [piece for piece in normal if "\n" in piece or "\t" in piece or "  " in piece] + ["\n"]
    entries = [entry.piece for entry in model.pieces[:264]]
    passages = [path.read_text(encoding="utf-8", errors="replace") for path in files]

    def glued(parts: list[str]) -> str:
        return "".join(draw.choices(parts, k=draw.randint(1, 40)))

    def random_text() -> str:
        top = draw.choice((0x80, 0x250, 0x3000, 0xD800, 0x110000))
        codes = (draw.randrange(top) for _ in range(draw.randint(1, 60)))
        return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)

    def laid_out() -> str:
        return "".join(
            draw.choice(normal) + draw.choice(blank) * draw.randint(1, 6) for _ in range(draw.randint(1, 20))
        )

    def passage() -> str:
        text = draw.choice(passages)
        start = draw.randrange(max(1, len(text) - 10))
        return text[start : start + draw.randint(1, 3000)]

    kinds = [
        lambda: glued(normal),
        lambda: glued(blank),
        lambda: glued(broken + blank),
        lambda: glued([*draw.choices(normal, k=5), *draw.choices(broken, k=5), *draw.choices(entries, k=2)]),
        laid_out,
        random_text,
    ] + [passage] * (3 if passages else 0)
    return NASTY + [draw.choice(kinds)() for _ in range(count)]


def write_gguf(path: Path, model: model_file.ModelProto) -> None:
    """A gpt2-type model of one layer with random weights; of interest is its vocabulary alone."""
    size, draw = len(model.pieces), np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(1)
    writer.add_layer_norm_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([entry.piece.encode() for entry in model.pieces])
    writer.add_token_scores([entry.score for entry in model.pieces])
    writer.add_token_types([entry.type for entry in model.pieces])
    writer.add_bos_token_id(model.trainer_spec.bos_id)
    writer.add_eos_token_id(model.trainer_spec.eos_id)
    writer.add_unk_token_id(model.trainer_spec.unk_id)
    writer.add_pad_token_id(model.trainer_spec.pad_id)
    writer.add_add_space_prefix(False)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    shapes = {
        "token_embd.weight": (size, WIDTH),
        "position_embd.weight": (CONTEXT, WIDTH),
        "output_norm.weight": (WIDTH,),
        "output_norm.bias": (WIDTH,),
    }
    rows = {"attn_norm": 0, "attn_qkv": 3, "attn_output": 1, "ffn_norm": 0, "ffn_up": 1, "ffn_down": 1}
    for name, times in rows.items():
        shapes[f"blk.0.{name}.weight"] = (times * WIDTH, WIDTH) if times else (WIDTH,)
        shapes[f"blk.0.{name}.bias"] = (max(1, times) * WIDTH,)
    for name, shape in shapes.items():
        writer.add_tensor(name, draw.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def started(path: Path) -> xllamacpp.Server:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = CONTEXT
    parameters.n_parallel = 1
    parameters.port = 0  # a free one
    parameters.warmup = False
    return xllamacpp.Server(parameters)


def ask(address: str, path: str, question: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        address + path, json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--text", type=Path, nargs="*", default=[], help="files from which passages are taken")
    parser.add_argument("--strings", type=int, default=3000)
    options = parser.parse_args()
    model = model_file.ModelProto.FromString(options.model.read_bytes())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    strings = compared_strings(model, options.text, options.strings)
    told = dict.fromkeys(("strings", "bytes", "tokens", "ids_differ", "text_lost", "with_u2581"), 0)
    with tempfile.TemporaryDirectory() as folder:
        write_gguf(Path(folder) / "vocabulary.gguf", model)
        server = started(Path(folder) / "vocabulary.gguf")
        for text in strings:
            expected = processor.encode(text)
            question = {"content": text, "add_special": False, "parse_special": False}
            found = ask(server.listening_address, "/tokenize", question)["tokens"]
            back = ask(server.listening_address, "/detokenize", {"tokens": expected})["content"]
            told["strings"] += 1
            told["bytes"] += len(text.encode())
            told["tokens"] += len(expected)
            told["with_u2581"] += SPACE in text
            told["ids_differ"] += found != expected
            lost = back != text.replace(SPACE, " ")
            told["text_lost"] += lost
            if (found != expected or lost) and told["ids_differ"] + told["text_lost"] <= SHOWN:
                print(f"{text[:200]!r}")
                print(f"  sentencepiece {expected[:40]}\n  llama.cpp     {found[:40]}\n  back {back[:200]!r}")
        del server
    print(json.dumps(told))
    sys.exit(1 if told["ids_differ"] or told["text_lost"] else 0)


if __name__ == "__main__":
    main()
