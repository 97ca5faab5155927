"""Many runs: what each came to, how numbers moved over time, what is proven of which system."""
