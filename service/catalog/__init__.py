"""What can be trained and served: base models, tuned models, hyper-parameters."""
