"""Further contexts of the base model: what they recover of the alignment shift, and how sure the base is in them."""
