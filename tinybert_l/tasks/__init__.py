"""What the method is applied to: long documents, questions, text generation, pre-training."""
