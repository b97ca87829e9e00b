// SPDX-License-Identifier: Apache-2.0
// The environment of this process. All variables that the tools read are listed here, and no other file calls
// getenv. docs/environment.md describes each of them; tests/environment compares the two.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace bottle::environment {

struct Variable {
  const char* name;
};

// Bottle's own.
inline constexpr Variable kCacheDir{"BOTTLE_CACHE_DIR"};
inline constexpr Variable kCacheUmask{"BOTTLE_CACHE_UMASK"};
inline constexpr Variable kCleanupSeconds{"BOTTLE_CLEANUP_SECONDS"};
inline constexpr Variable kEngine{"BOTTLE_ENGINE"};
inline constexpr Variable kEngineOptions{"BOTTLE_ENGINE_OPTIONS"};
inline constexpr Variable kJobs{"BOTTLE_JOBS"};
inline constexpr Variable kKvmDevice{"BOTTLE_KVM_DEVICE"};
inline constexpr Variable kLocked{"BOTTLE_LOCKED"};
inline constexpr Variable kMaximumRatio{"BOTTLE_MAXIMUM_RATIO"};
inline constexpr Variable kOciRuntime{"BOTTLE_OCI_RUNTIME"};
inline constexpr Variable kOverlay{"BOTTLE_OVERLAY"};
inline constexpr Variable kRunIsolation{"BOTTLE_RUN_ISOLATION"};
inline constexpr Variable kTrace{"BOTTLE_TRACE"};

// Of the system and the terminal.
inline constexpr Variable kCi{"CI"};
inline constexpr Variable kHome{"HOME"};
inline constexpr Variable kNoColor{"NO_COLOR"};
inline constexpr Variable kPath{"PATH"};
inline constexpr Variable kSourceDateEpoch{"SOURCE_DATE_EPOCH"};
inline constexpr Variable kSshAuthSock{"SSH_AUTH_SOCK"};
inline constexpr Variable kTerm{"TERM"};
inline constexpr Variable kXdgCacheHome{"XDG_CACHE_HOME"};
inline constexpr Variable kXdgConfigHome{"XDG_CONFIG_HOME"};
inline constexpr Variable kXdgDataHome{"XDG_DATA_HOME"};
inline constexpr Variable kXdgRuntimeDir{"XDG_RUNTIME_DIR"};

// Of registries and the network.
inline constexpr Variable kContainersRegistriesConf{"CONTAINERS_REGISTRIES_CONF"};
inline constexpr Variable kDockerAuthConfig{"DOCKER_AUTH_CONFIG"};
inline constexpr Variable kRegistryAuthFile{"REGISTRY_AUTH_FILE"};
inline constexpr Variable kGitSslCaInfo{"GIT_SSL_CAINFO"};
inline constexpr Variable kSslCertDir{"SSL_CERT_DIR"};
inline constexpr Variable kSslCertFile{"SSL_CERT_FILE"};
inline constexpr Variable kRequestMethod{"REQUEST_METHOD"};
inline constexpr Variable kAllProxy{"ALL_PROXY"};
inline constexpr Variable kHttpProxy{"HTTP_PROXY"};
inline constexpr Variable kHttpsProxy{"HTTPS_PROXY"};
inline constexpr Variable kNoProxy{"NO_PROXY"};
inline constexpr Variable kAllProxyLower{"all_proxy"};
inline constexpr Variable kHttpProxyLower{"http_proxy"};
inline constexpr Variable kHttpsProxyLower{"https_proxy"};
inline constexpr Variable kNoProxyLower{"no_proxy"};

// Of the outside engines.
inline constexpr Variable kBuildahFormat{"BUILDAH_FORMAT"};
inline constexpr Variable kBuildahIsolation{"BUILDAH_ISOLATION"};
inline constexpr Variable kBuildxBuilder{"BUILDX_BUILDER"};
inline constexpr Variable kBuildxConfig{"BUILDX_CONFIG"};
inline constexpr Variable kContainerHost{"CONTAINER_HOST"};
inline constexpr Variable kContainersStorageConf{"CONTAINERS_STORAGE_CONF"};
inline constexpr Variable kDockerBuildkit{"DOCKER_BUILDKIT"};
inline constexpr Variable kDockerConfig{"DOCKER_CONFIG"};
inline constexpr Variable kDockerContext{"DOCKER_CONTEXT"};
inline constexpr Variable kDockerDefaultPlatform{"DOCKER_DEFAULT_PLATFORM"};
inline constexpr Variable kDockerHost{"DOCKER_HOST"};
inline constexpr Variable kStorageDriver{"STORAGE_DRIVER"};

// Of smolvm.
inline constexpr Variable kSmolvmAgentRootfs{"SMOLVM_AGENT_ROOTFS"};
inline constexpr Variable kSmolvmLibDir{"SMOLVM_LIB_DIR"};
inline constexpr Variable kSmolvmPackStaging{"SMOLVM_PACK_STAGING"};

// nullopt if the variable is not set.
std::optional<std::string> find(Variable variable);
// "" if the variable is not set: for those where an empty value means the same.
std::string value(Variable variable);
// A variable that the user names: --secret id=NAME, --build-arg NAME.
std::optional<std::string> find_named(const std::string& name);
// The whole environment as "NAME=VALUE", for child processes.
std::vector<std::string> lines();

}  // namespace bottle::environment
