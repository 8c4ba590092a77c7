"""A remote that trains for money, simulated: OpenAI's and Azure's API, strict, with scripted time and faults on demand."""
