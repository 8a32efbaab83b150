"""Why a response ended: the values of `finish_reason`."""

EOS = "eos"  # the model emitted an end token; it is the last of token_ids
STOP = "stop"  # a stop rule of the method found the end in the text
LENGTH = "length"  # neither came before max_new_tokens
