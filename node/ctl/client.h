/*
 * client.h: starlingctl: sends one command over the control socket and prints what comes back.
 */
#ifndef NODE_CTL_CLIENT_H
#define NODE_CTL_CLIENT_H

/* Returns the exit code (enum ctl_exit). */
int ctl_client_main(int argc, char **argv);

#endif
