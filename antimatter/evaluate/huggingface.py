"""Models of others: any causal language model of transformers, from a folder or from the hub. Axes as in subject.py.

open_subject(PATH)    a folder with our config.json  -> OurModel
                      any other folder               -> HuggingFaceModel, if it holds safetensors
                      owner/name, or a bare name     -> HuggingFaceModel, fetched from the hub
"""

import importlib
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from antimatter.errors import AntiMatterError
from antimatter.evaluate import hub
from antimatter.evaluate.subject import OurModel, Subject
from antimatter.model.generate import Sampling, choose

SLICE_TOKENS = 1024
"""Positions whose logits are held at once: 200 MB with GPT-2's vocabulary."""
UNSTATED_CONTEXT = 2048
"""Tokens, for a model whose config.json names no longest input (one without positions)."""
_NO_LIMIT = 10**9


class UnreadableModel(AntiMatterError):
    """A model that cannot be evaluated: not there, or not in a form that is safe to read."""


class MissingTransformers(AntiMatterError, ImportError):
    """The extra `eval` is not installed."""


def open_subject(path: str, device: str = "cpu", name: str = "") -> Subject:
    """The model in a folder, ours or another's; or one of the hub, by its name there.

    Raises: UnreadableModel; MissingTransformers; ModelError of a damaged model of ours.
    """
    folder = Path(path)
    if not folder.exists():
        if path.startswith((".", "/", "~")) or path.count("/") > 1 or folder.parts[:1] == ("data",):
            raise UnreadableModel(
                f"{path}: there is no such folder. A model of ours comes from `dvc repro train` (data/model)."
            )
        return HuggingFaceModel(path, device, name)
    config = folder / "config.json"
    if not config.is_file():
        raise UnreadableModel(f"{path}: no config.json here, so this is no folder of a model.")
    try:
        described = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnreadableModel(f"{config} is not valid JSON: {error}") from error
    if isinstance(described, dict) and described.get("architecture") == "antimatter":
        return OurModel(folder, device, name)
    _require_safe_weights(folder)
    return HuggingFaceModel(path, device, name)


def _require_safe_weights(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for path in folder.glob(pattern))
    if pickled:
        raise UnreadableModel(
            f"{folder}: its weights are pickles ({', '.join(pickled[:3])}), which can run any program when they are "
            "read. Convert them to safetensors (load them with transformers where you trust them, save_pretrained)."
        )
    raise UnreadableModel(f"{folder}: no weights here (*.safetensors).")


class HuggingFaceModel:
    """A causal language model of transformers as a Subject, in fp32, without code from its repository."""

    def __init__(self, path: str, device: str = "cpu", name: str = "") -> None:
        """Raises: MissingTransformers; UnreadableModel."""
        if find_spec("transformers") is None:
            raise MissingTransformers(
                f"{path}: models of Hugging Face need the package transformers. Run `pip install -e '.[eval]'`."
            )
        transformers: Any = importlib.import_module(
            "transformers"
        )  # by name: its types say less than its documentation
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        try:
            offline = not Path(path).exists() and not hub.is_reachable()  # else it would try for a minute
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(
                path, trust_remote_code=False, local_files_only=offline
            )
            self._model, told = transformers.AutoModelForCausalLM.from_pretrained(
                path, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, output_loading_info=True,
                local_files_only=offline,
            )  # fmt: skip
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise UnreadableModel(
                f"{path}: transformers cannot read it ({lines[0][:300]}). It must be a causal language model with "
                "safetensors and a tokenizer: a folder, or the name of one on the hub (which needs a network)."
            ) from error
        if missing := sorted(told["missing_keys"]):
            raise UnreadableModel(
                f"{path}: {len(missing)} weights are not in its files ({', '.join(missing[:3])}) and would be random "
                "numbers. Is it a causal language model with its head?"
            )
        self._model.to(device).eval()
        config = self._model.config
        self._tokenizer.model_max_length = _NO_LIMIT  # texts are cut here, not there; else it warns of long ones
        self.name = name or Path(path).name
        self.context = int(getattr(config, "max_position_embeddings", None) or UNSTATED_CONTEXT)
        self.vocabulary = int(self._model.get_input_embeddings().weight.shape[0])
        self.bos, self.eos = self._frame(path)
        self.device = next(self._model.parameters()).device
        self._require_causal(path)
        self._silent = sorted(set(self._tokenizer.all_special_ids) - {self.eos})

    def _frame(self, path: str) -> tuple[int, int]:
        """(what stands before a text, what ends it): a tokenizer without the one has the other there."""
        bos, eos = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        if bos is None and eos is None:
            raise UnreadableModel(f"{path}: its tokenizer has neither a beginning nor an end of a text (bos, eos).")
        return int(eos if bos is None else bos), int(bos if eos is None else eos)

    @torch.inference_mode()
    def _require_causal(self, path: str) -> None:
        """A model that reads what comes after a place (such as BERT) sees its target there: its scores mean nothing."""
        length = min(4, self.context)
        ids_BT = torch.full((2, length), self.bos, device=self.device)
        ids_BT[1, -1] = (self.bos + 1) % self.vocabulary
        one, other = self._model(ids_BT, use_cache=False).logits[:, :-1].float()
        if (one - other).abs().sum() > 1e-4 * one.abs().sum():
            raise UnreadableModel(f"{path}: it reads what stands behind a token, so it is no causal language model.")

    def encode(self, words: str) -> list[int]:
        found = self._tokenizer(words, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return [int(i) for i in found["input_ids"]]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    @torch.inference_mode()
    def losses(self, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
        found = []
        for rows in self._slices(inputs_BT):
            logits_BTV = self._model(inputs_BT[rows], use_cache=False).logits.float()
            flat_N = torch.nn.functional.cross_entropy(
                logits_BTV.flatten(0, 1), targets_BT[rows].flatten(), reduction="none"
            )
            found.append(flat_N.view(targets_BT[rows].shape))
        return torch.cat(found)

    @torch.inference_mode()
    def chosen(self, inputs_BT: Tensor, targets_BT: Tensor, chosen_BT: Tensor) -> tuple[Tensor, Tensor]:
        losses, greedy = [], []
        for rows in self._slices(inputs_BT):
            logits_NV = self._model(inputs_BT[rows], use_cache=False).logits[chosen_BT[rows]].float()
            targets_N = targets_BT[rows][chosen_BT[rows]]
            losses.append(torch.nn.functional.cross_entropy(logits_NV, targets_N, reduction="none"))
            greedy.append(logits_NV.argmax(-1) == targets_N)
        return torch.cat(losses), torch.cat(greedy)

    def _slices(self, inputs_BT: Tensor) -> list[slice]:
        B, T = inputs_BT.shape
        count = max(1, SLICE_TOKENS // T)
        return [slice(start, min(start + count, B)) for start in range(0, B, count)]

    @torch.inference_mode()
    def generate(self, prompts: Sequence[Sequence[int]], max_new_tokens: int, sampling: Sampling) -> list[list[int]]:
        """As Subject says. A prompt that leaves no room for the new tokens loses its beginning; a model whose context
        is shorter than what it shall write writes half a context."""
        new = max_new_tokens if max_new_tokens < self.context else self.context // 2
        own = Sampling(
            temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p, seed=sampling.seed,
            suppress=tuple(self._silent), eos=self.eos,
        )  # fmt: skip
        cut = [list(prompt)[-(self.context - new) :] for prompt in prompts]
        written: list[list[int]] = [[] for _ in prompts]
        for length in sorted({len(ids) for ids in cut}):  # prompts of one length need no padding, and no mask
            rows = [row for row, ids in enumerate(cut) if len(ids) == length]
            for row, ids in zip(rows, self._continue([cut[row] for row in rows], rows, new, own), strict=True):
                written[row] = ids
        return written

    def _continue(
        self, prompts: Sequence[list[int]], rows: Sequence[int], new: int, sampling: Sampling
    ) -> list[list[int]]:
        generators = [torch.Generator("cpu").manual_seed(sampling.seed + row) for row in rows]
        written: list[list[int]] = [[] for _ in prompts]
        ended = [False] * len(prompts)
        inputs_BT, past = torch.tensor(prompts, device=self.device), None
        for _ in range(new):
            found = self._model(inputs_BT, past_key_values=past, use_cache=True)
            past, newest = found.past_key_values, []
            for row, logits_V in enumerate(found.logits[:, -1].float().cpu()):
                token = self.eos if ended[row] else choose(logits_V, sampling, generators[row])
                ended[row] = ended[row] or token == self.eos
                if not ended[row]:
                    written[row].append(token)
                newest.append([token])
            if all(ended):
                break
            inputs_BT = torch.tensor(newest, device=self.device)
        return written

    def facts(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": "huggingface",
            "parameters": sum(parameter.numel() for parameter in self._model.parameters()),
            "context": self.context,
            "vocabulary": self.vocabulary,
        }
