"""What a stack costs a month, from a small dated table of prices. An estimate, and it says what it leaves out."""
