"""Services asked through the API server."""

from __future__ import annotations

from drillkit.sandbox.kube.proxying import Proxied, proxied


def test_a_service_is_named_with_or_without_scheme_port_and_path() -> None:
    base = "/api/v1/namespaces/shop/services"
    assert proxied(f"{base}/web/proxy") == Proxied("shop", "web", "web", "", "")
    assert proxied(f"{base}/web:http/proxy/health") == Proxied(
        "shop", "web:http", "web", "http", "health"
    )
    assert proxied(f"{base}/http:web:80/proxy/a/b") == Proxied(
        "shop", "http:web:80", "web", "80", "a/b"
    )
    assert proxied(f"{base}/web") is None
    assert proxied("/api/v1/namespaces/shop/pods/web/proxy") is None
