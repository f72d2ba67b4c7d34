"""What benchmarks/messy_library.py is made of."""
