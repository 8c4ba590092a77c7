"""The built-in chat server: answers chat completions for locally tuned models where there is no vLLM.

It speaks the private wire of vLLM's OpenAI server with run-time LoRA (`app` has the table), so that the
API in front can be pointed at either. It knows no tenants: names are internal, and it belongs on loopback.

    __main__   the command; process is one run: arguments, socket, signals, the parent's life line
    app        routes, the shared secret, error envelopes
    chat       one completion, whole or streamed
    wire       the shapes that come in and go out      registry  which names are served, loaded, evicted
    requests   bytes -> checked request                engine    the one thread that runs the models
    prompts    messages -> token ids                   lane      waiting, prefill and decode for one base
    tools      text -> tool calls                      batch     rows that decode together
    text       token ids -> text, stop strings         bases     loading a base model
    sampling   logits -> next token                    adapters  checking and attaching LoRA adapters
    refusals   every way to say no
"""
