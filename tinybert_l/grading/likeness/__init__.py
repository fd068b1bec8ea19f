"""Compare the answers of a class: how alike are two of them, and how often is that by chance?"""
