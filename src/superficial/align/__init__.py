"""The aligned sibling: a LoRA on a base model, trained on what the base itself answers and on hand-written refusals."""
