"""All of the plugin that needs no engine: what is asked for, what is going on, and the mathematics."""
