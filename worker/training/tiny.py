"""Makes a random-weight Llama of 1.7 million parameters with a real BPE tokenizer, so that tests need no network."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

CHAT_TEMPLATE = """\
{%- if tools %}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content }}
{% endif %}Tools:
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif %}
{%- for message in messages %}
{%- if not (tools and loop.first and message.role == 'system') %}<|im_start|>{{ message.role }}
{{ message.content }}
{%- for call in message.tool_calls or [] %}
<tool_call>{{ {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}</tool_call>
{%- endfor %}<|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

_VOCABULARY = 768  # an upper bound: the little corpus below yields 675
_CORPUS = """\
You are a helpful assistant. Answer the question of the customer in one short sentence.
Hello, how can I help you today? My order has not arrived yet, where is it?
I would like to return the shoes because they are too small. Please refund the money to my card.
The invoice from March is wrong: we were charged twice for the same subscription.
Thank you for your message. We are sorry for the trouble and will look into it at once.
The capital of France is Paris. The capital of Italy is Rome. The capital of Japan is Tokyo.
What is the weather like in London today? It is raining and the temperature is twelve degrees.
Yes. No. Maybe. One two three four five six seven eight nine ten eleven twelve.
The quick brown fox jumps over the lazy dog while the small bird sings in the old tree.
{"category": "delivery", "urgent": true, "order": 1234, "customer": "Smith", "language": "en"}
{"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius"}, "result": null}
Red green blue yellow black white orange purple silver golden.
system user assistant tool function developer message content answer question
"""


def tiny(destination: Path | str, seed: int = 0) -> Path:
    """Write a random Llama (4 layers x 192, 675 tokens, float32) in the Hugging Face layout and return its directory.

    The weights depend on `seed` alone; the tokenizer is the same for every seed. Its context is 512 tokens. An
    existing directory is returned as it is, so that a test session makes the model once.
    """
    destination = Path(destination)
    if (destination / "model.safetensors").exists():
        return destination
    destination.parent.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer()
    set_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    # Made beside its place and renamed, since parallel test processes may ask for the same directory.
    with tempfile.TemporaryDirectory(dir=destination.parent) as building:
        Path(building).chmod(0o755)
        tokenizer.save_pretrained(building)
        LlamaForCausalLM(config).save_pretrained(building)
        try:
            Path(building).rename(destination)
        except OSError:
            if not (destination / "model.safetensors").exists():
                raise  # else another process was first: its model is the same
        Path(building).mkdir(exist_ok=True)  # for the context to remove
    return destination


def _tokenizer() -> Any:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=1,
        show_progress=False,
    )
    bpe.train_from_iterator([_CORPUS], trainer)
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(
        tokenizer_object=bpe,
        bos_token="<|im_start|>",  # noqa: S106  # no password
        eos_token="<|im_end|>",  # noqa: S106  # no password
        pad_token="<|endoftext|>",  # noqa: S106  # no password
        model_max_length=512,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
