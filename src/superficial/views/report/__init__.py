"""What Snakemake's report says beside the figures: captions, tables as pages, the paper's numbers beside ours."""
