#include "oci/platform.hpp"

namespace bottle::oci {

std::string Platform::string() const {
  return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

std::string Platform::string_with_version() const {
  const std::string system = os_version.empty() ? os : os + "(" + os_version + ")";
  return system + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

bool Platform::serves(const Platform& wanted) const {
  if (os != wanted.os || architecture != wanted.architecture) return false;
  const auto plain = [&](const std::string& name) {
    const bool is_default =
        (architecture == "arm64" && name == "v8") || (architecture == "amd64" && name == "v1");
    return is_default ? std::string() : name;
  };
  return wanted.variant.empty() || plain(variant) == plain(wanted.variant);
}

Platform host_platform() {
#if defined(__x86_64__)
  return {"linux", "amd64"};
#elif defined(__aarch64__)
  return {"linux", "arm64"};
#elif defined(__riscv) && __riscv_xlen == 64
  return {"linux", "riscv64"};
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
  return {"linux", "ppc64le"};
#elif defined(__s390x__)
  return {"linux", "s390x"};
#elif defined(__arm__)
  return {"linux", "arm", "v7"};
#elif defined(__i386__)
  return {"linux", "386"};
#else
#error "name this machine's architecture as GOARCH does"
#endif
}

}  // namespace bottle::oci
