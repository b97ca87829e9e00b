// SPDX-License-Identifier: Apache-2.0
// bin/bottle-<tool> of the relocatable archive: starts libexec/bottle/bottle-<tool> with the C library and
// the other libraries of the archive, lib/bottle, by their own dynamic loader. So the tools run on systems
// with an older C library, or another one. Linked statically. The environment stays as it is: programs that a
// tool starts use the libraries of the system.
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  std::string self(PATH_MAX, '\0');
  const ssize_t size = ::readlink("/proc/self/exe", self.data(), self.size());
  if (size <= 0 || size == static_cast<ssize_t>(self.size())) {
    std::perror("error: cannot read /proc/self/exe");
    return 1;
  }
  self.resize(static_cast<std::size_t>(size));
  const std::size_t slash = self.rfind('/');
  const std::size_t top = self.rfind('/', slash - 1);  // <top>/bin/bottle-<tool>
  std::string libraries = self.substr(0, top) + "/lib/bottle";
  std::string loader = libraries + "/loader";
  std::string program = self.substr(0, top) + "/libexec/bottle" + self.substr(slash);
  std::string library_path = "--library-path";
  std::string name = "--argv0";

  std::vector<char*> arguments{
      loader.data(), library_path.data(), libraries.data(), name.data(), argc > 0 ? argv[0] : program.data(),
      program.data()};
  for (int i = 1; i < argc; ++i)
    arguments.push_back(argv[i]);
  arguments.push_back(nullptr);
  ::execv(loader.c_str(), arguments.data());
  std::fprintf(stderr, "error: cannot start %s: ", loader.c_str());
  std::perror(nullptr);
  std::fprintf(stderr, "  hint: the directories bin, lib and libexec of the archive belong together\n");
  return 1;
}
