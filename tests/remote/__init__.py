"""A simulated remote that trains for money: OpenAI's and Azure's API, strict, with scripted time and faults."""
