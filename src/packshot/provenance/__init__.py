"""What a picture says of its own making: visible labels, metadata, content credentials, a mark; written and read back.

Below editing and beside generation: it knows files, recipes and certificates, and none of the rooms that make them.
"""
