"""Parts of the kind `chaostoolkit`."""
