"""A frame of tags as the chat template of a tokenizer, so that others' tools write a prompt as training did. Pure."""

import json

from winsweep.study.frame import Frame

FILE = "chat_template.jinja"


def template_of(frame: Frame, puts_bos: bool) -> str:
    """Jinja that writes what Frame.training_text and, to be gone on with, Frame.prompt write; behind the BOS, if the
    tokenizer puts one before every text.

    An instruction that is answered now is not stripped, as in Frame.prompt; all other contents are.
    """
    return (
        f"{{{{ {'bos_token' if puts_bos else _text('')} }}}}"
        "{%- for message in messages -%}"
        "{%- set asked = loop.last and add_generation_prompt -%}"
        "{%- if message['role'] == 'assistant' -%}"
        f"{{{{ {_text(frame.assistant)} + '\\n' + message['content'] | trim + eos_token }}}}"
        "{%- elif message['role'] == 'user' -%}"
        f"{{{{ {_text(frame.user)} + '\\n' + (message['content'] if asked else message['content'] | trim) }}}}"
        "{%- elif message['role'] == 'system' -%}"
        f"{{{{ {_text(frame.system)} + '\\n' + message['content'] | trim }}}}"
        "{%- else -%}"
        "{{ raise_exception('legal roles are system, user and assistant; found ' + message['role']) }}"
        "{%- endif -%}"
        "{{ '' if loop.last and not add_generation_prompt else '\\n' }}"
        "{%- endfor -%}"
        f"{{{{ {_text(frame.assistant)} + '\\n' if add_generation_prompt else '' }}}}"
    )


def _text(text: str) -> str:
    """A text as a string of Jinja."""
    return json.dumps(text, ensure_ascii=False)
