"""Matrix products that are kept in float32, whatever dtype the factors have."""

import torch

BLOCK = 2048  # entries a side of what is turned into float32 at a time


def product(left: torch.Tensor, right: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """Product (N, M) of left (N, H) and right (H, M) in float32, written into `out` where it is given.

    A product of two numbers in half precision is exact in float32; it is added up and kept there. torch's own product
    in half precision is rounded at its end: many logits become equal that are not.
    """
    if left.dtype == torch.float32:
        return torch.mm(left, right, out=out)
    if out is None:
        out = torch.empty(left.shape[0], right.shape[1], dtype=torch.float32, device=left.device)
    if left.device.type == "cuda":
        return torch.mm(left, right, out_dtype=torch.float32, out=out)
    out.zero_()  # no other device has such a product: blocks are turned into float32
    rows, inner, columns = left.shape[0], left.shape[1], right.shape[1]
    for row in range(0, rows, BLOCK):
        for middle in range(0, inner, BLOCK):
            part = left[row : row + BLOCK, middle : middle + BLOCK].float()
            for column in range(0, columns, BLOCK):
                other = right[middle : middle + BLOCK, column : column + BLOCK].float()
                out[row : row + BLOCK, column : column + BLOCK].addmm_(part, other)
    return out
