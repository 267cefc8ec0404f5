"""What HTTP means, decided without sockets."""
