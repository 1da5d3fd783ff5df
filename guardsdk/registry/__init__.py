"""Model directories: what they say of themselves, where they are found, and whether their files are intact."""
