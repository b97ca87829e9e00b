// SPDX-License-Identifier: Apache-2.0
#include "pack/smolvm_registry.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "container/cleanup_log.hpp"
#include "container/client.hpp"
#include "container/load.hpp"
#include "container/name.hpp"
#include "registry/server/server.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"

namespace bottle::pack {
namespace {

std::string reference_at(std::uint16_t port, const PackRegistryRequest& request) {
  return fmt::format("localhost:{}/bottle/{}:{}", port, request.slug, request.tag);
}

class EmbeddedRegistry : public PackRegistry {
 public:
  explicit EmbeddedRegistry(const PackRegistryRequest& request)
      : request_(request), server_(options(request.layout)) {}
  std::string reference() const override { return reference_at(server_.port(), request_); }

 private:
  static registry::ServerOptions options(const fs::path& layout) {
    registry::ServerOptions options;
    options.source = {registry::ServerSource::Kind::layout, layout};
    options.read_only = true;
    return options;
  }

  PackRegistryRequest request_;
  registry::Server server_;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::uint16_t free_port() {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (!socket || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw_errno("cannot find a free port", "127.0.0.1");
  return ntohs(address.sin_port);
}

bool accepts(std::uint16_t port) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  return socket && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

class ContainerRegistry : public PackRegistry {
 public:
  ContainerRegistry(const PackRegistryRequest& request, const std::string& image, const store::Store& store)
      : cleanup_log_(request.build_directory), reference_() {
    if (image.find("@sha256:") == std::string::npos)
      throw UsageError("expected an image with its digest, found \"" + image + "\"",
                       {.where = "REGISTRY_IMAGE", .hint = "write registry@sha256:<64 hexadecimal digits>"});
    // The network of the host, so that the address is the loopback whatever networks the daemon has.
    const std::string label = "bottle.build=" + sha256(request.build_directory.native()).hex();
    cleanup_log_.note_containers(client_.program(), label);
    const std::uint16_t port = free_port();
    reference_ = reference_at(port, request);
    const std::string name =
        container::create_with_free_name(client_,
                                         {.image = image,
                                          .name = {},
                                          .options = {"--label", label, "--network", "host", "--env",
                                                      fmt::format("REGISTRY_HTTP_ADDR=127.0.0.1:{}", port)},
                                          .command = {}},
                                         "bottle-registry-" + request.slug);
    client_.start(name, container::OnFailure::fatal);
    await(port, name);
    cleanup_log_.note_image(client_.program(), reference_);
    container::load_layout(request.layout, std::nullopt, reference_, client_, store);
    client_.push(reference_, container::OnFailure::fatal);
  }
  std::string reference() const override { return reference_; }

 private:
  // Nothing tells when a program in a container listens; that it has ended, its daemon does.
  void await(std::uint16_t port, const std::string& name) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!accepts(port)) {
      check_interrupted();
      const auto running = client_.command({"container", "inspect", "--format", "{{.State.Running}}", name},
                                           "inspect " + name, container::OnFailure::fatal);
      if (running.output != "true" || std::chrono::steady_clock::now() > end)
        throw Error(
            "the registry in the container does not answer",
            {.where = fmt::format("127.0.0.1:{}", port), .hint = "read the log: docker logs " + name});
      ::poll(nullptr, 0, 20);
    }
  }

  container::Client client_;
  container::CleanupLog cleanup_log_;
  std::string reference_;
};

}  // namespace

std::unique_ptr<PackRegistry> serve_layout(const PackRegistryRequest& request) {
  return std::make_unique<EmbeddedRegistry>(request);
}

std::unique_ptr<PackRegistry> run_registry_container(const PackRegistryRequest& request,
                                                     const std::string& image, const store::Store& store) {
  return std::make_unique<ContainerRegistry>(request, image, store);
}

}  // namespace bottle::pack
