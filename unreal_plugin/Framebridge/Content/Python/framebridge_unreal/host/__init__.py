"""All of the plugin that talks to Unreal; everything here runs on the game thread."""
