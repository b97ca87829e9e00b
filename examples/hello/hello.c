#include <stdio.h>

int main(void) {
  puts("Hello from a bottle!");
  return 0;
}
