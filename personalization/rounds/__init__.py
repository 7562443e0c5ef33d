"""The loop closes: policies write, rewards and chance pair what they wrote, people judge it, and the next policy learns from them."""
