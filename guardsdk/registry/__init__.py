"""Model directories: their manifests, where they are found, and whether their files are intact."""
