"""What answers look like before anybody judges what they say: the failures that the paper's section 3.1 describes."""
