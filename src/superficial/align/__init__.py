"""The aligned sibling: a LoRA on a base model, trained on a few hundred hand-written examples."""
