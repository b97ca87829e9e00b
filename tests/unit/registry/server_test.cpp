// SPDX-License-Identifier: Apache-2.0
#include "registry/server/server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <mutex>
#include <thread>
#include <vector>

#include "registry/server/manifest.hpp"
#include "util/error.hpp"

namespace bottle::registry {
namespace {

// All that comes back for `request`, which asks for the connection's end.
std::string exchange(std::uint16_t port, const std::string& request) {
  const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  write_all(client.get(), request, "socket");
  std::string answer;
  std::vector<std::byte> buffer(4096);
  while (const std::size_t count = read_some(client.get(), buffer, "socket"))
    answer.append(reinterpret_cast<const char*>(buffer.data()), count);
  return answer;
}

std::string get(const Server& server, const std::string& path) {
  return exchange(server.port(), "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
}

TEST(Server, ServesALayoutInThisProcess) {
  const TemporaryDirectory directory;
  std::mutex mutex;
  std::vector<RequestRecord> records;
  ServerOptions options;
  options.source = {ServerSource::Kind::layout, directory.path() / "layout"};
  options.durable = Durable::no;
  options.on_request = [&](const RequestRecord& record) {
    const std::lock_guard guard(mutex);
    records.push_back(record);
  };
  Server server(options);
  EXPECT_EQ(server.url(), "http://127.0.0.1:" + std::to_string(server.port()));
  EXPECT_TRUE(get(server, "/v2/").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(get(server, "/v2/any/name/tags/list").find("\"tags\":[]") != std::string::npos);
  EXPECT_TRUE(get(server, "/v2/any/name/manifests/x").starts_with("HTTP/1.1 404"));
  const std::uint16_t port = server.port();
  server.stop();
  server.stop();
  EXPECT_EQ(server.counts().requests, 3u);
  EXPECT_EQ(server.counts().failures, 0u);
  EXPECT_EQ(server.counts().connections, 0u);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[2].status, 404);
  EXPECT_EQ(exchange(port, "x"), "");
}

TEST(Server, StopsDuringUploads) {
  const TemporaryDirectory directory;
  for (int round = 0; round < 20; ++round) {
    ServerOptions options;
    options.source = {ServerSource::Kind::root, directory.path()};
    options.durable = Durable::no;
    Server server(options);
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([&server] {
        const std::string body = R"({"config":{},"layers":[]})";
        try {
          for (int tag = 0; tag < 20; ++tag)
            exchange(server.port(),
                     "PUT /v2/a/manifests/t" + std::to_string(tag) +
                         " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " +
                         std::to_string(body.size()) + "\r\n\r\n" + body);
        } catch (const Error&) {  // the server has gone, which is the point
        }
      });
    }
    while (server.counts().requests < 2)
      std::this_thread::yield();
    server.stop();
    for (std::thread& client : clients)
      client.join();
  }
}

TEST(Server, InvalidLayoutsAreErrors) {
  const TemporaryDirectory directory;
  ServerOptions options;
  options.source = {ServerSource::Kind::layout, directory.path() / "none"};
  options.read_only = true;
  EXPECT_THROW(Server{options}, Error);
  options.source.kind = ServerSource::Kind::root;
  EXPECT_THROW(Server{options}, Error);
  options.read_only = false;
  options.listen = "somewhere";
  EXPECT_THROW(Server{options}, Error);
}

TEST(ServerManifest, FactsAreRead) {
  std::string problem;
  const auto image =
      read_manifest(R"({"config":{"mediaType":"c"},"layers":[],"annotations":{"k":"v"}})", problem);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->media_type, "application/vnd.oci.image.manifest.v1+json");
  EXPECT_EQ(image->artifact_type, "c");
  EXPECT_EQ(image->annotations.at("k"), "v");
  const std::string digest = "sha256:" + std::string(64, '0');
  const auto index = read_manifest(R"({"manifests":[{"digest":")" + digest + R"("}],"subject":{"digest":")" +
                                       digest + R"("},"mediaType":"m","artifactType":"a"})",
                                   problem);
  ASSERT_TRUE(index);
  EXPECT_EQ(index->media_type, "m");
  EXPECT_EQ(index->artifact_type, "a");
  EXPECT_EQ(index->subject->string(), digest);
  ASSERT_EQ(index->manifests.size(), 1u);
  // Members of members are not members.
  const auto nested = read_manifest(
      R"({"layers":[{"mediaType":"x","subject":{"digest":"bad"}}],"config":{"subject":{}}})", problem);
  ASSERT_TRUE(nested);
  EXPECT_FALSE(nested->subject);
}

TEST(ServerManifest, InvalidManifestsAreRefused) {
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("1"), std::string("{}"), std::string("{"),
        std::string(R"({"layers":1})"), std::string(R"({"layers":[]} x)"),
        std::string(R"({"layers":[],"subject":{"digest":"x"}})"),
        R"({"layers":)" + std::string(70, '[') + std::string(70, ']') + "}"}) {
    std::string problem;
    EXPECT_FALSE(read_manifest(text, problem)) << text;
    EXPECT_FALSE(problem.empty()) << text;
  }
}

}  // namespace
}  // namespace bottle::registry
