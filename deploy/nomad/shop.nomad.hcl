# pgkeyless beside an application, in the network namespace of their group. The tasks use the AWS role of the client's
# instance.
#
# What starts when: `pgkeyless` and `ready` start first. `ready` ends when pgkeyless accepts clients, and the application
# starts then. When the job stops, pgkeyless ends after the application.
job "shop" {
  datacenters = ["dc1"]
  type        = "service"

  group "shop" {
    count = 2

    network {
      mode = "bridge"

      port "probes" {
        to = 9090
      }
    }

    service {
      name     = "shop-pgkeyless"
      port     = "probes"
      provider = "nomad"

      check {
        name     = "readiness"
        type     = "http"
        path     = "/readiness"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "pgkeyless" {
      driver = "docker"
      user   = "65532:65532"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        image           = "ghcr.io/pgkeyless/pgkeyless:0.1.0"
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        args = [
          "orders?via=none",
          "--allow-users=any",
          "--exit-zero-on-sigterm",
          "--max-sigterm-delay=30s",
          "--health-check",
          "--http-address=0.0.0.0",
          "--unix-socket=none",
          "--structured-logs",
        ]
      }

      env {
        AWS_REGION = "eu-central-1"
      }

      kill_signal  = "SIGTERM"
      kill_timeout = "45s"

      resources {
        cpu    = 100
        memory = 256
      }
    }

    task "ready" {
      driver = "docker"
      user   = "65532:65532"

      lifecycle {
        hook    = "prestart"
        sidecar = false
      }

      config {
        image           = "ghcr.io/pgkeyless/pgkeyless:0.1.0"
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        args            = ["wait", "--max", "60s", "--http-port", "9090"]
      }

      resources {
        cpu    = 20
        memory = 64
      }
    }

    task "app" {
      driver = "docker"

      config {
        image = "registry.example.com/shop:1.0.0"
      }

      env {
        DATABASE_URL = "postgresql://app_user@localhost:5432/app?sslmode=disable"
      }

      resources {
        cpu    = 500
        memory = 512
      }
    }
  }
}
