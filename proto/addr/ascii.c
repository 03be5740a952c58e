#include "proto/addr/ascii.h"

#define C (ASCII_CONTROL | ASCII_NOT_LDH)
#define U ASCII_UPPER
#define P ASCII_NOT_LDH
#define X (ASCII_NOT_LOCAL | ASCII_NOT_LDH)
#define H ASCII_HIGH
#define H32 H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H, H

const uint8_t ascii_table[256] = {
	C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C,
	C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C,
	/*    !  "  #  $  %  &  '  (  )  *  +  ,  -  .  / */
	ASCII_SPACE | P, P, X, P, P, P, X, X, P, P, P, P, P, 0, 0, X,
	/* 0-9                        :  ;  <  =  >  ? */
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, X, P, X, P, X, P,
	X, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
	U, U, U, U, U, U, U, U, U, U, U, P, P, P, P, P,
	P, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, P, P, P, P, C,
	H32, H32, H32, H32,
};
